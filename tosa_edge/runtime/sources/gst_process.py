"""GStreamer as a child process: what it writes into a pipe, what it says when it fails.

A child, not a library, so that it works whatever OpenCV and Python there are, and a crash or a hang in a
driver ends the child and not us.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import select
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence

from tosa_edge.errors import MachineLacks, TosaEdgeError
from tosa_edge.runtime.sources.address import without_password

LAUNCH = "gst-launch-1.0"
PACKAGES = "gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad"
# Seconds without a byte that are a loss; a camera's first key frame can take some.
OPENING, STALL = 10.0, 5.0
# Bursts wait in the queue, up to a second or so. Behind a reader that is slower than that, the oldest picture
# goes, so nothing grows; what a reader in time has no use for, it can count.
_QUEUE = "queue leaky=downstream max-size-buffers=30 max-size-bytes=67108864 max-size-time=0"
_TO_BYTES = f"! videoconvert ! video/x-raw,format=RGB ! {_QUEUE} ! gdppay ! fdsink sync=false".split()
_PIPE_BYTES = 1 << 20  # the most that Linux gives without asking; a 1080p frame still takes six


def has_elements(*names: str) -> bool:
    """Whether GStreamer is here with all of these."""
    inspect = shutil.which("gst-inspect-1.0")
    return inspect is not None and all(
        subprocess.run([inspect, "--exists", name], capture_output=True).returncode == 0 for name in names
    )


class GstProcess:
    """A pipeline that makes video, its text ending before a sink; `fill` takes the bytes that `gdp` reads.

    Args:
        opening, stall: seconds to wait for the first byte, and for each that follows.
    """

    def __init__(self, label: str, pipeline: Sequence[str], opening: float, stall: float) -> None:
        launch = shutil.which(LAUNCH)
        if not launch:
            raise MachineLacks(f"{label}: this machine has no GStreamer", f"sudo apt install {PACKAGES}")
        self._label, self._pipeline = label, " ".join(pipeline)
        self._patience, self._stall = opening, stall
        self._closed, self._reading = threading.Event(), threading.Lock()
        ours, theirs = os.pipe()
        self._pipe = io.FileIO(ours)
        try:
            _widen(theirs)
            self._process = subprocess.Popen(
                [launch, "--quiet", *pipeline, *_TO_BYTES, f"fd={theirs}"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=(theirs,),
                start_new_session=True,  # Ctrl-C is for us; the child goes when we close
                env={**os.environ, "LC_ALL": "C"},
                text=True,
                errors="replace",
            )
        except BaseException:
            self._pipe.close()
            raise
        finally:
            os.close(theirs)
        self._said: deque[str] = deque(maxlen=40)
        self._listener = threading.Thread(target=self._listen, name=f"stderr of {label}", daemon=True)
        self._listener.start()

    def fill(self, buffer: memoryview) -> bool:
        """Fills it all; False where the stream has ended, also in the middle of it."""
        with self._reading:
            while buffer:
                if self._closed.is_set():
                    return False
                if not select.select([self._pipe], [], [], self._patience)[0]:
                    raise TosaEdgeError(
                        f"{self._label}: no frame for {self._patience:g} s",
                        "Check the camera or server, and the network between.",
                    )
                count = self._pipe.readinto(buffer)
                if not count:
                    return False
                buffer, self._patience = buffer[count:], self._stall
        return True

    def failure(self) -> TosaEdgeError | None:
        """Why the stream ended; None where it was complete, or closed by us."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        self._listener.join(2)
        code = self._process.returncode
        if self._closed.is_set() or code == 0:
            return None
        return explain(self._label, self._pipeline, "\n".join(self._said), code)

    def _listen(self) -> None:
        assert self._process.stderr
        for line in self._process.stderr:
            self._said.append(line.rstrip())

    def close(self) -> None:
        self._closed.set()
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)  # with whatever it started
        self._process.wait()
        self._listener.join(2)
        with self._reading:  # its end of the pipe is gone, so no reader waits any longer
            self._pipe.close()
        assert self._process.stderr
        self._process.stderr.close()


def explain(label: str, pipeline: str, said: str, code: int | None) -> TosaEdgeError:
    """What GStreamer printed, as one line and a remedy."""
    if missing := re.search(r'no element "([^"]+)"', said):
        return MachineLacks(f"{label}: this GStreamer has no {missing[1]}", _where_to_get(missing[1]))
    if "missing a plug-in" in said:
        return MachineLacks(
            f"{label}: this GStreamer has no decoder for the stream",
            "sudo apt install gstreamer1.0-libav",
        )
    # The first error is the cause; the path of the source line that found it is between the two texts.
    found = re.search(r"ERROR: from element \S+: (.*)(?:\nAdditional debug info:\n.*\n(?!ERROR)(.+))?", said)
    wrong = re.search(r"erroneous pipeline: (.*)", said)
    if found:
        reason = " ".join(part for part in found.groups() if part)
    elif wrong:
        reason = f"the pipeline is wrong: {wrong[1]}"
    else:
        reason = f"{LAUNCH} stopped with {code}"
    return TosaEdgeError(
        f"{label}: {reason}", f"More by hand: {LAUNCH} {without_password(pipeline)} ! fakesink"
    )


def _where_to_get(element: str) -> str:
    if element.startswith(("nv", "Nv")):
        return "It comes with JetPack (nvidia-l4t-gstreamer); elsewhere take a USB camera: tosa-edge run 0."
    return f"sudo apt install {PACKAGES}"


def _widen(pipe: int) -> None:
    import fcntl

    with contextlib.suppress(AttributeError, OSError):  # 3.10 and later on Linux only
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
