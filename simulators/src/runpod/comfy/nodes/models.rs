//! Nodes that need a model. None is installed on this worker, so a graph with one fails as it does on a worker whose image lacks
//! the model that it names.

use super::{Arguments, Made, Node, RESOLUTION_MAX, Takes, choice, float, input, int};
use crate::runpod::comfy::disk::Disk;
use crate::runpod::comfy::python::Exception;

const MODEL: &str = "MODEL";
const CLIP: &str = "CLIP";
const VAE: &str = "VAE";
const CONDITIONING: &str = "CONDITIONING";
const LATENT: &str = "LATENT";

const SAMPLERS: &[&str] =
    &["euler", "euler_ancestral", "heun", "dpm_2", "lms", "dpmpp_2m", "dpmpp_sde", "ddim", "uni_pc"];
const SCHEDULERS: &[&str] = &[
    "simple",
    "sgm_uniform",
    "karras",
    "exponential",
    "ddim_uniform",
    "beta",
    "normal",
    "linear_quadratic",
    "kl_optimal",
];

pub(super) const NODES: &[Node] = &[
    Node {
        class_type: "CheckpointLoaderSimple",
        inputs: &[choice("ckpt_name", &[])],
        outputs: &[MODEL, CLIP, VAE],
        is_output: false,
        run: no_model,
    },
    Node {
        class_type: "CLIPTextEncode",
        inputs: &[input("text", Takes::Text), input("clip", Takes::Link(CLIP))],
        outputs: &[CONDITIONING],
        is_output: false,
        run: no_model,
    },
    Node {
        class_type: "EmptyLatentImage",
        inputs: &[int("width", 16, RESOLUTION_MAX), int("height", 16, RESOLUTION_MAX), int("batch_size", 1, 4_096)],
        outputs: &[LATENT],
        is_output: false,
        run: no_model,
    },
    Node {
        class_type: "KSampler",
        inputs: &[
            input("model", Takes::Link(MODEL)),
            int("seed", 0, u64::MAX),
            int("steps", 1, 10_000),
            float("cfg", 0.0, 100.0),
            choice("sampler_name", SAMPLERS),
            choice("scheduler", SCHEDULERS),
            input("positive", Takes::Link(CONDITIONING)),
            input("negative", Takes::Link(CONDITIONING)),
            input("latent_image", Takes::Link(LATENT)),
            float("denoise", 0.0, 1.0),
        ],
        outputs: &[LATENT],
        is_output: false,
        run: no_model,
    },
    Node {
        class_type: "VAEDecode",
        inputs: &[input("samples", Takes::Link(LATENT)), input("vae", Takes::Link(VAE))],
        outputs: &[super::IMAGE],
        is_output: false,
        run: no_model,
    },
];

fn no_model(_: &Arguments<'_>, _: &Disk) -> Result<Made, Exception> {
    Err(Exception::new("RuntimeError", "ERROR: Could not detect model type"))
}
