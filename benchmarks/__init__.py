"""What zfpipe costs, beside what it could cost at the least."""

from zfpipe.waiting import wait_briefly

wait_briefly()  # as zfpipe's jobs do: before anything imports PyTorch
