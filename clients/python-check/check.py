"""Imports all of the client that openapi-python-client made of openapi.yaml, and tries what it makes of bodies.

usage: check.py FOLDER PACKAGE
"""

import importlib
import pkgutil
import sys

folder, name = sys.argv[1:]
sys.path.insert(0, folder)
package = importlib.import_module(name)
modules = [module.name for module in pkgutil.walk_packages(package.__path__, f"{name}.")]
for module in modules:
    importlib.import_module(module)

models = importlib.import_module(f"{name}.models")
request = models.ResizeRequest(
    workflow_type=models.ResizeRequestWorkflowType.RESIZE,
    input_data=models.ResizeInput(
        input_image="a.png", target_width=320, target_height=180, maintain_aspect=True,
        fill_mode=models.ResizeInputFillMode.CROP,
    ),
)
assert request.to_dict() == {
    "workflow_type": "resize",
    "input_data": {
        "input_image": "a.png", "target_width": 320, "target_height": 180, "maintain_aspect": True, "fill_mode": "crop",
    },
}, request

# A generation from before this service has neither stage nor cost.
old = dict.fromkeys(
    ["stage", "error", "error_code", "cost", "cancel_cost", "output_count", "estimated_time", "project_id", "brand_name",
     "campaign_name", "completed_at", "outputs_expired_at"],
) | {
    "generation_id": "01983c5e-7a3b-7c1d-9f00-3a5d2e8b6f41", "workflow_type": "model", "status": "completed",
    "progress": 100, "image_urls": [], "tags": [], "created_at": "2026-05-04T09:30:00Z",
}
generation = models.Generation.from_dict(old)
assert generation.stage is None and generation.cost is None, generation
assert generation.status is models.Status.COMPLETED, generation

print(len(modules))
