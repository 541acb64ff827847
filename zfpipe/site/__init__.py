"""The gallery of a run: a static web site to look around in. docs/gallery.md says what it shows."""
