import platform
import subprocess
import sys

import pytest

BLOCKS = """
import ctypes, sys
from tosa_edge.runtime.memory import return_large_blocks
libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype = ctypes.c_void_p
libc.malloc.argtypes, libc.free.argtypes = [ctypes.c_size_t], [ctypes.c_void_p]

class Info(ctypes.Structure):
    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]

libc.mallinfo2.restype = Info
if sys.argv[1] == "yes":
    assert return_large_blocks()
libc.free(libc.malloc(8 << 20))
before = libc.mallinfo2().hblks
block = libc.malloc(4 << 20)
print(libc.mallinfo2().hblks - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's behaviour")
@pytest.mark.parametrize(("asked", "of_its_own"), [("no", 0), ("yes", 1)])
def test_large_blocks_stay_out_of_the_heap_after_one_was_freed(asked, of_its_own):
    run = subprocess.run([sys.executable, "-c", BLOCKS, asked], capture_output=True, text=True, check=True)
    assert int(run.stdout) == of_its_own
