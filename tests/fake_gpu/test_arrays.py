"""Arrays of other libraries, read where they lie when their producer has done with them; and ours."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fake_gpu.machine import Foreign, OfTorch
from tosa_edge.cuda import dlpack
from tosa_edge.cuda.arrays import DeviceArray, is_on_gpu, view
from tosa_edge.cuda.context import Context
from tosa_edge.cuda.driver import call
from tosa_edge.cuda.memory import HostMemory, Pool, Staging, copy
from tosa_edge.cuda.stream import Stream
from tosa_edge.errors import TosaEdgeError

NUMBERS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


@pytest.fixture
def stream(fake):
    context = Context.here()
    with context.active():
        made = Stream(context)
        yield made
        made.close()
    del context, made.context  # pytest holds the stream for longer


def read(found, stream: Stream) -> np.ndarray:
    """What the stream sees there, when it gets there."""
    staged = Staging(stream.context, found.shape, found.dtype.name)
    copy(staged.pointer, found.pointer, staged.host.nbytes, stream)
    staged.download(stream)
    stream.synchronize()
    return staged.host.copy()


def test_pycudas_none_means_the_default_stream(stream):
    array = Foreign(NUMBERS, stream=1, says=None)
    assert is_on_gpu(array)
    np.testing.assert_array_equal(read(view(array, stream), stream), NUMBERS)
    array.free()


@pytest.mark.parametrize("version", [2, 3])
def test_the_stream_that_is_named_is_waited_for(stream, version):
    other = Stream(stream.context)
    array = Foreign(NUMBERS, stream=other.handle, says=other.handle, version=version)
    if version == 2:  # has no word for it: the caller must have waited
        other.synchronize()
    np.testing.assert_array_equal(read(view(array, stream), stream), NUMBERS)
    array.free()


def test_a_stream_that_nobody_waits_for_would_be_noticed(stream):
    """That the fake is lazy is what the others here stand on."""
    other = Stream(stream.context)
    array = Foreign(NUMBERS, stream=other.handle, says=None)
    assert (read(view(array, stream), stream) != NUMBERS).all()
    other.synchronize()
    array.free()


def test_dlpack_is_given_our_stream(stream):
    producer = Stream(stream.context)
    tensor = OfTorch(Foreign(NUMBERS, stream=producer.handle), producer)
    found = view(tensor, stream)
    assert tensor.asked == [stream.handle]
    np.testing.assert_array_equal(read(found, stream), NUMBERS)
    assert len(dlpack._exported) == 1
    del found
    assert not dlpack._exported  # given back to its library
    tensor._array.free()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"mask": object()}, "it has a mask"),
        ({"typestr": "|S9zz"}, "S9zz"),
        ({"data": None}, "subscriptable"),
    ],
)
def test_an_interface_that_cannot_be_read_is_one_line(stream, changes, why):
    class Broken:
        @property
        def __cuda_array_interface__(self):
            return {"shape": (1,), "typestr": "|u1", "data": (0, False), "version": 3, **changes}

    with pytest.raises(TosaEdgeError, match="a Broken on the GPU cannot be read") as error:
        view(Broken(), stream)
    assert why in error.value.what
    assert "\n" not in error.value.what


def test_a_tensor_with_gradients_says_what_to_do(stream):
    class Tensor:
        def __dlpack_device__(self):
            return dlpack.CUDA, 0

        def __dlpack__(self, stream):
            raise BufferError("Can't export tensors that require gradient")

    with pytest.raises(TosaEdgeError, match="require gradient") as error:
        view(Tensor(), stream)
    assert ".detach()" in error.value.remedy


def test_ours_are_read_by_others_both_ways(stream):
    pool = Pool(stream.context)
    lease = pool.take(NUMBERS.nbytes)
    host = HostMemory(stream.context, NUMBERS.shape, "float32")
    host.array[:] = NUMBERS
    copy(lease.pointer, host.address, NUMBERS.nbytes, stream)
    stream.synchronize()
    ours = DeviceArray(stream.context, lease, NUMBERS.shape, "float32")
    del lease
    about = ours.__cuda_array_interface__
    assert (about["version"], about["stream"], about["strides"]) == (3, None, None)
    assert (about["shape"], about["typestr"], about["data"]) == ((2, 3, 4), "<f4", (ours.pointer, False))
    assert ours.__dlpack_device__() == (dlpack.CUDA, 0)
    taken = dlpack.Taken(ours.__dlpack__(stream=2))
    assert (taken.pointer, taken.shape, taken.dtype) == (ours.pointer, (2, 3, 4), np.float32)
    np.testing.assert_array_equal(ours.numpy(), NUMBERS)
    np.testing.assert_array_equal(ours.first().numpy(), NUMBERS[0])
    with pytest.raises(TypeError, match=r"\.numpy\(\)"):
        np.asarray(ours)
    with pytest.raises(BufferError):
        ours.__dlpack__(copy=True)
    pointer = ours.pointer
    del ours
    other = pool.take(NUMBERS.nbytes)
    assert other.pointer != pointer  # the taker still has it
    del taken
    assert pool.take(NUMBERS.nbytes).pointer == pointer
    pool.close()


def test_a_pool_does_not_grow_with_sizes_that_come_and_go(fake, stream):
    pool = Pool(stream.context)
    for size in range(1, 200):
        pool.take(size)
    assert fake.live()["memory"] <= 5
    many = [pool.take(64) for _ in range(20)]
    del many
    assert fake.live()["memory"] <= 9
    pool.close()
    assert "memory" not in fake.live()


def test_staging_is_closed_once_and_for_all(fake, stream):
    for integrated in (False, True):
        fake.machine(integrated=integrated)
        staged = Staging(Context.here(), (2, 3), "int32", mapped=integrated)
        staged.close()
        staged.close()
        assert staged.host.size == 0
    assert "memory" not in fake.live()
    assert int(call("cuCtxGetCurrent")) == int(stream.context.handle)
