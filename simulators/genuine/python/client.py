"""Uses an endpoint through RunPod's own client, and prints one line of JSON for each thing that went as it should.

client.py ENDPOINT           a full round with workers that draw, one at a time: see round_of_calls
client.py ENDPOINT stream    one job whose chunks are read as they come

The base URL is taken by the SDK from RUNPOD_ENDPOINT_BASE_URL, the key from RUNPOD_API_KEY here. Any surprise is an exit code
other than 0, with a traceback.
"""

import asyncio
import json
import os
import sys
import time

import aiohttp
import requests
import runpod

WAIT_S = 30
LOOK_PAUSE_S = 0.05


def said(name, **what):
    print(json.dumps({"ok": name, **what}), flush=True)


def expect(condition, what):
    if not condition:
        raise AssertionError(what)


def request(prompt):
    choice = {"gender": "female", "pose": "walking", "age_range": "25-35", "ethnicity": "mixed", "prompt": prompt}
    return {"input": {"workflow_type": "model", "num_outputs": 2, "output_format": "png", "seed": 7, "input": choice}}


def until(holds, what):
    """Looks until it holds: RunPod's client has no wait for anything but the end of a job."""
    end = time.monotonic() + WAIT_S
    while not holds():
        expect(time.monotonic() < end, f"not in time: {what}")
        time.sleep(LOOK_PAUSE_S)


def run_status_output(endpoint):
    job = endpoint.run(request("a red coat"))
    output = job.output(timeout=WAIT_S)
    expect(job.status() == "COMPLETED" and len(output["images"]) == 2, output)
    expect(list(job.stream()) == [], "a worker that does not stream has no chunks")
    said("run, status, output, stream", id=job.job_id, images=len(output["images"]))


def run_sync(endpoint):
    output = endpoint.run_sync(request("a blue coat"), timeout=WAIT_S)
    expect(len(output["images"]) == 2, output)
    said("run_sync", images=len(output["images"]))


def failure(endpoint):
    job = endpoint.run(request("fails"))
    until(lambda: job.status() == "FAILED", "the job fails")
    expect(job.output() is None, "a failed job has no output")
    said("a failure", id=job.job_id)


def health_purge_cancel(endpoint):
    running, queued = endpoint.run(request("never ends")), endpoint.run(request("waits"))
    health = endpoint.health()
    expect((health["jobs"]["inProgress"], health["jobs"]["inQueue"]) == (1, 1), health)
    expect(all(isinstance(count, int) for part in health.values() for count in part.values()), health)
    said("health", **health)

    purged = endpoint.purge_queue()
    expect(purged == {"removed": 1, "status": "completed"}, purged)
    said("purge_queue", **purged)

    cancelled = running.cancel()
    expect((cancelled["id"], cancelled["status"]) == (running.job_id, "CANCELLED"), cancelled)
    expect(running.status() == "CANCELLED", "a cancelled job stays cancelled")
    said("cancel", id=running.job_id)
    try:
        queued.status()
    except requests.HTTPError as error:
        expect(error.response.status_code == 404, error)
        said("a purged job is gone")
    else:
        raise AssertionError("a purged job is still there")


def wrong_key(name):
    try:
        runpod.Endpoint(name, api_key="wrong").health()
    except RuntimeError as error:
        expect("401" in str(error), error)
        said("a wrong key is refused")
    else:
        raise AssertionError("a wrong key was accepted")


async def asynchronously(name):
    async with aiohttp.ClientSession() as session:
        job = await runpod.AsyncioEndpoint(name, session).run(request("a green coat")["input"])
        output = await job.output(timeout=WAIT_S)
        expect(await job.status() == "COMPLETED" and len(output["images"]) == 2, output)
        said("the asynchronous client", id=job.job_id)


def round_of_calls(name):
    endpoint = runpod.Endpoint(name)
    run_status_output(endpoint)
    run_sync(endpoint)
    failure(endpoint)
    health_purge_cancel(endpoint)
    wrong_key(name)
    asyncio.run(asynchronously(name))


def stream(name):
    job = runpod.Endpoint(name).run({"input": {"chunks": ["one", {"two": 2}]}})
    chunks = list(job.stream())
    expect(chunks == ["one", {"two": 2}], chunks)
    said("stream", chunks=chunks)


if __name__ == "__main__":
    runpod.api_key = os.environ["RUNPOD_API_KEY"]
    if sys.argv[2:] == ["stream"]:
        stream(sys.argv[1])
    else:
        round_of_calls(sys.argv[1])
    said("all")
