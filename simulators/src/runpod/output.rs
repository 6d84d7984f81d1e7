//! The `output` of a job that made pictures: drawn when it is first looked at, in the form and with the flaws that were planned.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::faults::{ImageForm, Spoil};
use super::plan::Plan;
use super::spoil::spoil;
use super::work::{Refused, Work};
use crate::net::lock;

/// Result bodies over this are lost, and the job shows COMPLETED without output.
pub const RESULT_BYTES_MAX: usize = 10 * 1024 * 1024;
/// The same of `/runsync`.
pub const SYNC_RESULT_BYTES_MAX: usize = 20 * 1024 * 1024;
/// The host of `foreign_link`; it never resolves.
pub const FOREIGN_HOST: &str = "pictures.foreign.invalid";

/// Pictures of one job at most, whatever was scripted.
pub const PICTURES_MAX: usize = 16;
/// Bytes of pictures kept at hand; older ones are drawn again when they are asked for.
pub const DRAWN_BYTES_MAX: usize = 256 * 1024 * 1024;

/// One picture as a file.
#[derive(Clone, Debug)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: &'static str,
}

/// All that is needed to make a job's output.
pub(super) struct Recipe {
    pub(super) job_id: String,
    pub(super) base_url: String,
    pub(super) work: Result<Work, Refused>,
    pub(super) plan: Plan,
    drawn: Mutex<Option<Arc<Vec<File>>>>,
    shelved: AtomicBool,
}

impl Recipe {
    pub(super) fn new(job_id: String, base_url: String, work: Result<Work, Refused>, plan: Plan) -> Self {
        Self { job_id, base_url, work, plan, drawn: Mutex::new(None), shelved: AtomicBool::new(false) }
    }

    /// The same without what was drawn, and without what it was drawn from: nothing can be drawn any more.
    pub(super) fn emptied(&self) -> Self {
        let work = self.work.as_ref().map(Work::emptied).map_err(Refused::clone);
        Self::new(self.job_id.clone(), self.base_url.clone(), work, self.plan.clone())
    }

    /// The pictures as files, drawn now unless they are at hand. Drawing takes a tenth of a second for each megapixel.
    pub(super) fn files(&self) -> Arc<Vec<File>> {
        let mut drawn = lock(&self.drawn);
        let draw = || {
            let Ok(work) = &self.work else { return Arc::default() };
            let count = self.plan.count.unwrap_or(work.outputs()).min(PICTURES_MAX);
            let mut files = work.files(count);
            for (index, file) in files.iter_mut().enumerate() {
                if let Some(how) = self.spoil(index) {
                    spoil(file, how, work.size(index), self.plan.form);
                }
            }
            Arc::new(files)
        };
        Arc::clone(drawn.get_or_insert_with(draw))
    }

    fn drawn_bytes(&self) -> usize {
        lock(&self.drawn).as_ref().map_or(0, |files| files.iter().map(|file| file.bytes.len()).sum())
    }

    fn spoil(&self, index: usize) -> Option<Spoil> {
        let (how, picture) = self.plan.spoil?;
        picture.is_none_or(|picture| picture == index).then_some(how)
    }

    /// The `output` value; none when it is over the limit for results.
    pub(super) fn output(&self, sync: bool) -> Option<Value> {
        let work = self.work.as_ref().ok()?;
        let too_large = matches!(self.plan.spoil, Some((Spoil::ManyBytes, _))) && !self.plan.form.is_url();
        if too_large {
            return None;
        }
        let files = self.files();
        let images: Vec<Value> = files.iter().enumerate().map(|(index, file)| self.image(index, file, work)).collect();
        let output = match self.plan.form {
            ImageForm::ComfyBase64 | ImageForm::ComfyUrl => work.comfy_output(images, self.plan.losses(work)),
            ImageForm::ComfyMessage => {
                json!({ "status": "success", "message": images.first(), "refresh_worker": false })
            }
            ImageForm::Base64 | ImageForm::DataUri | ImageForm::Url | ImageForm::UrlObject => {
                let (width, height) = work.size(0);
                json!({
                    "images": images,
                    "metadata": {
                        "resolution": format!("{width}x{height}"),
                        "format": work.format().extension(),
                        "generation_time": self.plan.generation_time.as_secs_f64(),
                        "seed": work.seed(),
                    },
                })
            }
        };
        let limit = if sync { SYNC_RESULT_BYTES_MAX } else { RESULT_BYTES_MAX };
        (output.to_string().len() <= limit).then_some(output)
    }

    fn image(&self, index: usize, file: &File, work: &Work) -> Value {
        let data = match self.spoil(index) {
            Some(Spoil::BadBase64) => "%%% this is not base64 %%%".to_owned(),
            _ => STANDARD.encode(&file.bytes),
        };
        let filename = work.filename(index);
        let (width, height) = work.size(index);
        match self.plan.form {
            ImageForm::Base64 | ImageForm::ComfyMessage => data.into(),
            ImageForm::DataUri => format!("data:{};base64,{data}", file.content_type).into(),
            ImageForm::Url => self.url(index, work).into(),
            ImageForm::UrlObject => json!({
                "url": self.url(index, work),
                "width": width,
                "height": height,
                "format": work.format().extension(),
                "size_bytes": file.bytes.len(),
            }),
            ImageForm::ComfyBase64 => json!({ "filename": filename, "type": "base64", "data": data }),
            ImageForm::ComfyUrl => json!({ "filename": filename, "type": "s3_url", "data": self.url(index, work) }),
        }
    }

    fn url(&self, index: usize, work: &Work) -> String {
        let (base, id, extension) = (&self.base_url, &self.job_id, work.format().extension());
        match self.spoil(index) {
            Some(Spoil::BrokenLink) => format!("{base}/files/{id}/missing.{extension}"),
            Some(Spoil::RedirectLink) => format!("{base}/files/{id}/{index}.{extension}?redirect=1"),
            Some(Spoil::ForeignLink) => format!("https://{FOREIGN_HOST}/{id}/{index}.{extension}"),
            _ => format!("{base}/files/{id}/{index}.{extension}"),
        }
    }
}

/// What is drawn and kept at hand, oldest first.
pub(super) struct Shelf {
    bytes_max: usize,
    recipes: VecDeque<(Arc<Recipe>, usize)>,
    bytes: usize,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { bytes_max: DRAWN_BYTES_MAX, recipes: VecDeque::new(), bytes: 0 }
    }
}

impl Shelf {
    /// Notes that the recipe may hold pictures, and lets go of the oldest ones over the limit.
    pub(super) fn put(&mut self, recipe: &Arc<Recipe>) {
        let bytes = recipe.drawn_bytes();
        if bytes == 0 || recipe.shelved.swap(true, Ordering::Relaxed) {
            return;
        }
        self.recipes.push_back((Arc::clone(recipe), bytes));
        self.bytes += bytes;
        while self.bytes > self.bytes_max {
            let Some((oldest, bytes)) = self.recipes.pop_front() else { return };
            self.bytes -= bytes;
            *lock(&oldest.drawn) = None;
            oldest.shelved.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn recipe_of(id: &str, input: &Arc<Value>) -> Arc<Recipe> {
        let work = Work::read(input, id, (16, 16), &Arc::default());
        let plan = Plan::new(ImageForm::Base64, Duration::ZERO, Vec::new());
        Arc::new(Recipe::new(id.to_owned(), "http://simulated".to_owned(), work, plan))
    }

    fn model() -> Value {
        let parameters = json!({"gender": "male", "pose": "action", "age_range": "50+", "ethnicity": "hispanic"});
        json!({"workflow_type": "model", "input": parameters})
    }

    fn recipe(id: &str) -> Arc<Recipe> {
        recipe_of(id, &Arc::new(model()))
    }

    #[test]
    fn the_oldest_pictures_are_let_go_and_drawn_again_the_same() {
        let recipes = [recipe("a"), recipe("b"), recipe("c")];
        let drawn: Vec<Vec<u8>> = recipes.iter().map(|recipe| recipe.files()[0].bytes.clone()).collect();
        let mut shelf = Shelf { bytes_max: drawn[1].len() + drawn[2].len(), ..Shelf::default() };
        for recipe in &recipes {
            shelf.put(recipe);
            shelf.put(recipe);
        }
        assert_eq!(recipes.each_ref().map(|recipe| recipe.drawn_bytes() > 0), [false, true, true]);
        assert_eq!(recipes[0].files()[0].bytes, drawn[0]);
    }
    #[test]
    fn an_emptied_recipe_has_nothing_of_the_input() {
        let graph = json!({
            "1": {"class_type": "EmptyImage", "inputs": {"width": 8, "height": 8, "batch_size": 1, "color": 0}},
            "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a"}},
        });
        for (id, input) in [("a", model()), ("b", json!({ "workflow": graph }))] {
            let input = Arc::new(input);
            let recipe = recipe_of(id, &input).emptied();
            assert!(recipe.work.is_ok());
            assert_eq!(Arc::strong_count(&input), 1);
        }
    }
}
