/* Preloaded into a process under test: counts the system calls that change files below one folder, and at the n-th of
 * them kills the process, or lets the call fail. Until fault_arm() is called it does nothing. Built by shim.py. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { NOTHING, KILL_BEFORE, KILL_AFTER, KILL_HALFWAY, FAIL_ONCE, FAIL_FROM, SHORT_WRITE };

static char folder[PATH_MAX];
static long count, nth;
static int action, code, trace = -1;

#define REAL(name) static __typeof__(name) *real; if (!real) real = dlsym(RTLD_NEXT, #name)

void fault_arm(const char *below, long at, int what, int error, int trace_to) {
    strncpy(folder, below, sizeof folder - 1);
    count = 0, nth = at, action = what, code = error, trace = trace_to;
}

long fault_count(void) { return count; }

static void die(void) {
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    pause();
}

static int is_below(const char *path) { return folder[0] && !strncmp(path, folder, strlen(folder)); }

static int named(int directory, const char *path, char *whole) { /* the absolute path, of a relative one too */
    char link[64];
    whole[0] = 0;
    if (!folder[0] || !path) return 0;
    if (path[0] == '/') return snprintf(whole, PATH_MAX, "%s", path) > 0;
    if (directory == AT_FDCWD) snprintf(link, sizeof link, "/proc/self/cwd");
    else snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
    ssize_t length = readlink(link, whole, PATH_MAX - 1);
    if (length < 0) return 0;
    return snprintf(whole + length, PATH_MAX - length, "/%s", path) > 0;
}

static int of_descriptor(int descriptor, char *whole) {
    char link[64];
    if (!folder[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, whole, PATH_MAX - 1);
    whole[length < 0 ? 0 : length] = 0;
    return length > 0;
}

/* Returns what to do at this call. It is told in the trace before it happens. */
static int reached(const char *call, const char *whole, int may_fail) {
    if (!is_below(whole)) return NOTHING;
    if (!may_fail && (action == FAIL_ONCE || action == FAIL_FROM || action == SHORT_WRITE)) return NOTHING;
    count++;
    if (trace >= 0) {
        char line[PATH_MAX + 32];
        int length = snprintf(line, sizeof line, "%s %s\n", call, whole + strlen(folder));
        syscall(SYS_write, trace, line, length);
    }
    if (action == FAIL_FROM && nth && count >= nth) return FAIL_ONCE;
    if (count != nth) return NOTHING;
    if (action == KILL_BEFORE) die();
    return action;
}

#define AROUND(type, call, whole, may_fail, run)                                                                       \
    int what = reached(call, whole, may_fail);                                                                         \
    if (what == FAIL_ONCE) return errno = code, -1;                                                                    \
    type result = run;                                                                                                 \
    if (what == KILL_AFTER || what == KILL_HALFWAY) die();                                                             \
    return result

ssize_t write(int descriptor, const void *data, size_t size) {
    REAL(write);
    char whole[PATH_MAX];
    if (!of_descriptor(descriptor, whole)) return real(descriptor, data, size);
    int what = reached("write", whole, 1);
    if (what == FAIL_ONCE) return errno = code, -1;
    if ((what == KILL_HALFWAY || what == SHORT_WRITE) && size > 1) size /= 2;
    ssize_t result = real(descriptor, data, size);
    if (what == KILL_AFTER || what == KILL_HALFWAY) die();
    return result;
}

int fsync(int descriptor) {
    REAL(fsync);
    char whole[PATH_MAX];
    if (!of_descriptor(descriptor, whole)) return real(descriptor);
    AROUND(int, "fsync", whole, 1, real(descriptor));
}

static int truncated(int descriptor, off64_t length, int (*real)(int, off64_t)) {
    char whole[PATH_MAX];
    if (!of_descriptor(descriptor, whole)) return real(descriptor, length);
    AROUND(int, "truncate", whole, 1, real(descriptor, length));
}
int ftruncate(int descriptor, off_t length) {
    REAL(ftruncate);
    return truncated(descriptor, length, (int (*)(int, off64_t))real);
}
int ftruncate64(int descriptor, off64_t length) {
    REAL(ftruncate64);
    return truncated(descriptor, length, real);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    char whole[PATH_MAX];
    if (!named(AT_FDCWD, to, whole)) return real(from, to);
    AROUND(int, "rename", whole, 1, real(from, to));
}

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    REAL(renameat2);
    char whole[PATH_MAX];
    if (!named(to_folder, to, whole)) return real(from_folder, from, to_folder, to, flags);
    AROUND(int, "rename", whole, 1, real(from_folder, from, to_folder, to, flags));
}

int mkdir(const char *path, mode_t mode) {
    REAL(mkdir);
    char whole[PATH_MAX];
    if (!named(AT_FDCWD, path, whole)) return real(path, mode);
    AROUND(int, "mkdir", whole, 1, real(path, mode));
}

int chmod(const char *path, mode_t mode) {
    REAL(chmod);
    char whole[PATH_MAX];
    if (!named(AT_FDCWD, path, whole)) return real(path, mode);
    AROUND(int, "chmod", whole, 1, real(path, mode));
}

int unlink(const char *path) {
    REAL(unlink);
    char whole[PATH_MAX];
    if (!named(AT_FDCWD, path, whole)) return real(path);
    AROUND(int, "unlink", whole, 0, real(path));
}

int unlinkat(int directory, const char *path, int flags) {
    REAL(unlinkat);
    char whole[PATH_MAX];
    if (!named(directory, path, whole)) return real(directory, path, flags);
    AROUND(int, "unlink", whole, 0, real(directory, path, flags));
}

static int opened(int directory, const char *path, int flags, mode_t mode) {
    char whole[PATH_MAX];
    int writes = (flags & O_ACCMODE) != O_RDONLY;
    if (!writes || !named(directory, path, whole)) return syscall(SYS_openat, directory, path, flags, mode);
    AROUND(int, "open", whole, 1, syscall(SYS_openat, directory, path, flags, mode));
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode = va_arg(rest, mode_t);                                                                                   \
        va_end(rest);                                                                                                  \
    }
int open(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int open64(const char *path, int flags, ...) { MODE(flags) return opened(AT_FDCWD, path, flags, mode); }
int openat(int directory, const char *path, int flags, ...) { MODE(flags) return opened(directory, path, flags, mode); }
int openat64(int directory, const char *path, int flags, ...) { MODE(flags) return opened(directory, path, flags, mode); }
