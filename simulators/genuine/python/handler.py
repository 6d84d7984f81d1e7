"""A worker for RunPod's own SDK that does what the input of a job tells it.

Without HANDLER, of the input: progress (a list of updates, sent first), sleep_s, sleep_once (a file to be made: no sleep where it
is already), late_progress and late_s (an update sent so long after the result), raise (a text), bytes (the size of the result),
return (the result). With HANDLER=stream: chunks, each yielded.
"""

import asyncio
import os
import signal
import threading

import runpod


def end_with_parent():
    """Ends this worker, and the process that pings for it, when the program that holds the other end of stdin is gone."""
    # Not through sys.stdin: the SDK forks its pings, and that process would wait for the lock which a read holds.
    while os.read(0, 1):
        pass
    os.killpg(os.getpgrp(), signal.SIGKILL)


def first_time(path):
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
        return True
    except FileExistsError:
        return False


async def do_as_told(job):
    told = job["input"]
    for update in told.get("progress", []):
        runpod.serverless.progress_update(job, update)
    if "sleep_once" not in told or first_time(told["sleep_once"]):
        await asyncio.sleep(told.get("sleep_s", 0))
    if "late_progress" in told:
        late = (job, told["late_progress"])
        threading.Timer(told["late_s"], runpod.serverless.progress_update, late).start()
    if "raise" in told:
        raise ValueError(told["raise"])
    return "x" * told["bytes"] if "bytes" in told else told.get("return")


async def stream(job):
    for chunk in job["input"]["chunks"]:
        yield chunk


if __name__ == "__main__":
    # Only a group of its own may be ended as a whole.
    if os.getpgrp() == os.getpid():
        threading.Thread(target=end_with_parent, daemon=True).start()
    runpod.serverless.start({"handler": stream if os.environ.get("HANDLER") == "stream" else do_as_told})
