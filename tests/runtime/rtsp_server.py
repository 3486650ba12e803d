"""GStreamer's RTSP server, for the tests. Run by Debian's Python, which has its bindings: rtsp_server.py PORT

A frame's number is that of its moment on the machine's monotonic clock, so it goes on over a restart; it is
written into the picture as `tosa_edge.runtime.sources.pattern` does.
"""

import sys
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

WIDTH, HEIGHT, FPS, BITS = 192, 144, 30, 24
RAW = f"video/x-raw,format=GRAY8,width={WIDTH},height={HEIGHT},framerate={FPS}/1"
SOURCE = f"appsrc name=frames is-live=true format=time caps={RAW} ! videoconvert"
H264 = f"{SOURCE} ! openh264enc gop-size=20 bitrate=2000000 complexity=low"
PAY = "rtph264pay name=pay0 pt=96 config-interval=1"
STREAMS = {
    "/live": f"( {H264} ! {PAY} )",
    "/lossy": f"( {H264} ! identity drop-probability=0.1 ! {PAY} )",
    "/jpeg": f"( {SOURCE} ! video/x-raw,format=I420 ! jpegenc ! rtpjpegpay name=pay0 pt=26 )",
    "/sound!": f"( audiotestsrc is-live=true ! mulawenc ! rtppcmupay name=pay1 pt=0 {H264} ! {PAY} )",
}


def picture(number):
    cell, strip = WIDTH // BITS, HEIGHT // 16
    row = b"".join((b"\xff" if number >> bit & 1 else b"\x00") * cell for bit in range(BITS))
    slope = bytes((x + 3 * number) % 160 + 40 for x in range(WIDTH))
    return row * strip + slope * (HEIGHT - strip)


def feed(_, media):
    frames = media.get_element().get_by_name_recurse_up("frames")
    first = last = int(time.monotonic() * FPS)
    stopped = []

    def push():
        nonlocal last
        while last < int(time.monotonic() * FPS):  # more than once where the timer came late
            last += 1
            buffer = Gst.Buffer.new_wrapped(picture(last))
            buffer.pts = (last - first) * Gst.SECOND // FPS
            frames.emit("push-buffer", buffer)
        return not stopped

    media.connect("unprepared", stopped.append)
    GLib.timeout_add(500 // FPS, push)


def main():
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(sys.argv[1])
    for path, launch in STREAMS.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(launch)
        factory.set_shared(True)
        factory.connect("media-configure", feed)
        server.get_mount_points().add_factory(path, factory)
    if not server.attach(None):
        sys.exit("the port is taken")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
