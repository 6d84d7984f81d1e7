//! Runs the good outputs of a graph, and what they depend on, each node once. What an output saved is remembered until the next
//! graph: the same graph again yields the same files.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::disk::{Disk, Saved, annotated_path};
use super::graph::{Graph, Placed, link};
use super::nodes::{Argument, Arguments, Data, Made, Takes};
use super::python::Exception;

/// A digest of all that a node's result depends on.
pub(super) type Signature = [u8; 32];

/// What the outputs of the last graph saved, by their signatures.
pub(super) type Remembered = HashMap<Signature, Vec<Saved>>;

/// What came of a graph.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The files of each output node that ran, in the order they ran.
    pub(super) saved: Vec<Saved>,
    /// What ended it before its end.
    pub(super) error: Option<String>,
    pub(super) remembered: Remembered,
}

/// Runs these outputs one after the other. The first error ends it, and what was saved before stays.
pub(super) fn execute(graph: &Graph, outputs: &[usize], disk: &Disk, remembered: &Remembered) -> Outcome {
    let mut run = Run { graph, disk, made: HashMap::new(), left: uses(graph, outputs), signatures: HashMap::new() };
    let mut outcome = Outcome::default();
    for output in outputs {
        let signature = run.signature(*output);
        let known = outcome.remembered.get(&signature).or_else(|| remembered.get(&signature));
        let known = known.filter(|files| files.iter().all(|saved| disk.read_saved(saved).is_some())).cloned();
        let files = match known {
            Some(files) => files,
            None => match run.output(*output) {
                Ok(files) => files,
                Err((at, exception)) => {
                    let Placed { id, node, .. } = &graph.nodes[at];
                    outcome.error = Some(format!(
                        "Workflow execution error: Node Type: {}, Node ID: {id}, Message: {}\n",
                        node.class_type, exception.message
                    ));
                    return outcome;
                }
            },
        };
        outcome.saved.extend(files.iter().cloned());
        outcome.remembered.insert(signature, files);
    }
    outcome
}

/// The nodes that an input is linked to.
fn links(placed: &Placed) -> impl Iterator<Item = (&'static str, &str, usize)> {
    placed.node.inputs.iter().filter_map(|input| {
        let (id, slot) = link(placed.inputs.as_ref()?.get(input.name)?)?;
        Some((input.name, id, slot))
    })
}

/// How often the result of each node will be asked for.
fn uses(graph: &Graph, outputs: &[usize]) -> Vec<usize> {
    let mut uses = vec![0; graph.nodes.len()];
    let mut open = outputs.to_vec();
    while let Some(at) = open.pop() {
        for linked in links(&graph.nodes[at]).filter_map(|(_, id, _)| graph.position(id)) {
            if uses[linked] == 0 {
                open.push(linked);
            }
            uses[linked] += 1;
        }
    }
    uses
}

struct Run<'a> {
    graph: &'a Graph,
    disk: &'a Disk,
    made: HashMap<usize, Vec<Data>>,
    /// How often each result is still needed; it is let go after the last time.
    left: Vec<usize>,
    signatures: HashMap<usize, Signature>,
}

impl Run<'_> {
    fn output(&mut self, at: usize) -> Result<Vec<Saved>, (usize, Exception)> {
        match self.node(at)? {
            Made::Files(files) => Ok(files),
            Made::Previews | Made::Slots(_) => Ok(Vec::new()),
        }
    }

    /// Runs a node after those it is linked to. Validation has bounded the depth, and let no cycle pass.
    fn node(&mut self, at: usize) -> Result<Made, (usize, Exception)> {
        let graph = self.graph;
        let placed = &graph.nodes[at];
        let mut arguments: BTreeMap<&str, Argument<'_>> = BTreeMap::new();
        for (name, id, slot) in links(placed) {
            let data = self.slot(graph.position(id).expect("validation found it"), slot)?;
            arguments.insert(name, Argument::Linked(data));
        }
        for (name, value) in placed.inputs.iter().flatten() {
            arguments.entry(name).or_insert(Argument::Value(value));
        }
        placed.node.run(&Arguments(arguments), self.disk).map_err(|exception| (at, exception))
    }

    fn slot(&mut self, at: usize, slot: usize) -> Result<Data, (usize, Exception)> {
        if !self.made.contains_key(&at)
            && let Made::Slots(slots) = self.node(at)?
        {
            self.made.insert(at, slots);
        }
        let data = self.made.get(&at).and_then(|slots| slots.get(slot)).cloned();
        self.left[at] = self.left[at].saturating_sub(1);
        if self.left[at] == 0 {
            self.made.remove(&at);
        }
        data.ok_or_else(|| (at, Exception::new("IndexError", "tuple index out of range")))
    }

    fn signature(&mut self, at: usize) -> Signature {
        if let Some(signature) = self.signatures.get(&at) {
            return *signature;
        }
        let graph = self.graph;
        let placed = &graph.nodes[at];
        let mut hash = Sha256::new();
        hash.update(placed.node.class_type);
        for (name, value) in placed.inputs.iter().flatten() {
            hash.update(name);
            // What no input is called by is hashed as it stands: validation has not looked where it leads.
            let is_known = placed.node.inputs.iter().any(|input| input.name == name);
            match link(value).filter(|_| is_known).and_then(|(id, slot)| Some((graph.position(id)?, slot))) {
                Some((linked, slot)) => {
                    hash.update(self.signature(linked));
                    hash.update(slot.to_be_bytes());
                }
                None => hash.update(value.to_string()),
            }
        }
        for input in placed.node.inputs.iter().filter(|input| matches!(input.takes, Takes::File)) {
            let file = placed.inputs.as_ref().and_then(|inputs| inputs.get(input.name)?.as_str());
            let bytes: Option<Arc<[u8]>> = file.and_then(|file| self.disk.read(&annotated_path(file)));
            hash.update(Sha256::digest(bytes.as_deref().unwrap_or_default()));
        }
        let signature = hash.finalize().into();
        self.signatures.insert(at, signature);
        signature
    }
}
