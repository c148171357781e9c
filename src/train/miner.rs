//! The curriculum miner of GREnet: what another network finds easily comes first.
//!
//! The public code mines with a UNet++ that has a transformer beside it; here it is the UNet++ alone, trained as a run
//! of its own.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use super::{
    Data, Setup, checkpoint,
    config::{Config, ModelName},
    kept,
};
use crate::{
    Error, Result,
    data::{Dataset, Fit, Loader, LoaderOptions, Mask, Sample},
    gpu::Context,
    graph::{Graph, Plan, Session, Shape, Weights},
};

/// Probability from which on a pixel counts as found (the public code's).
const FOUND: f32 = 0.75;

/// Training pictures whose masks hold a bit for each stage of a network: for the last the truth, for those before it
/// what the depths of the miner before its last find, the shallower the earlier.
pub(super) struct Mined {
    pictures: Arc<dyn Dataset>,
    /// What was found, by picture, at the miner's size.
    found: BTreeMap<usize, Mask>,
    stages: usize,
}

impl Mined {
    /// Looks at all training pictures with the network of the run `miner`.
    ///
    /// # Errors
    /// [`Error::Config`] where it is no trained UNet++ for a binary mask with a depth for every stage; what data or
    /// device raise.
    pub(super) fn new(context: &Arc<Context>, miner: &Path, data: &Data, stages: usize) -> Result<Self> {
        let config = Config::load(miner.join("config.toml"), &[])?;
        let setup = Setup::new(&config)?;
        let fail =
            |message: String| Err(Error::Config(format!("curriculum.miner {}: {message}", miner.display())));
        if config.model.name != ModelName::UNetPp
            || config.model.classes != 1
            || !matches!(setup.fit, Fit::Resize { .. })
        {
            return fail(
                "wants a run of model.name \"unetpp\" with model.classes 1 and data.fit \"resize\"".into(),
            );
        }
        if config.data.channels != data.dataset.channels() {
            return fail(format!(
                "takes pictures of {} channels, these have {}",
                config.data.channels,
                data.dataset.channels()
            ));
        }
        let depths = setup.model.stages();
        let Some(first) = depths.checked_sub(stages) else {
            return fail(format!("has {depths} depths for {stages} stages"));
        };
        let mut graph = Graph::new();
        let shape = Shape::new(1, setup.size[0], setup.size[1], setup.model.in_channels);
        let x = graph.input("picture", shape);
        let looks = setup.model.build_stages(&mut graph, x, false)?;
        looks.iter().for_each(|look| graph.output(*look));
        graph.fuse();
        let weights = Arc::new(Weights::new(context, &graph, 0)?);
        checkpoint::load_weights(&weights, &kept(miner)?)?;
        let session = Session::new(Plan::new(&graph, context)?, &weights)?;
        let crops = setup.fit.crops(&*data.dataset, &data.split.train)?;
        let options = LoaderOptions {
            normalise: setup.normalise.clone(),
            cache_bytes: 0,
            ..LoaderOptions::new(1, setup.fit)
        };
        let mut found = BTreeMap::new();
        for batch in Loader::new(data.dataset.clone(), crops, options)?.epoch(0) {
            let batch = batch?;
            session.write(x, &batch.x)?;
            session.run();
            let mut bits = vec![0u8; batch.h * batch.w];
            for (s, look) in looks[first..].iter().take(stages - 1).enumerate() {
                // A logit from which on the probability is FOUND.
                let least = (FOUND / (1.0 - FOUND)).ln();
                for (bit, logit) in bits.iter_mut().zip(session.read(*look)?) {
                    *bit |= u8::from(logit >= least) << s;
                }
            }
            let mask = Mask { width: batch.w, height: batch.h, data: bits };
            found.extend(batch.crops.first().map(|crop| (crop.item, mask)));
        }
        Ok(Self { pictures: data.dataset.clone(), found, stages })
    }
}

impl Dataset for Mined {
    fn len(&self) -> usize {
        self.pictures.len()
    }

    fn id(&self, i: usize) -> &str {
        self.pictures.id(i)
    }

    fn unit(&self, i: usize) -> &str {
        self.pictures.unit(i)
    }

    fn size(&self, i: usize) -> (usize, usize) {
        self.pictures.size(i)
    }

    fn load(&self, i: usize) -> Result<Sample> {
        let Sample { id, picture, mask } = self.pictures.load(i)?;
        let found =
            self.found.get(&i).ok_or_else(|| Error::data(&id, "was not mined: it is not for training"))?;
        let mut bits = found.resize(mask.width, mask.height)?;
        for (bit, class) in bits.data.iter_mut().zip(&mask.data) {
            *bit |= u8::from(*class > 0) << (self.stages - 1);
        }
        Ok(Sample { id, picture, mask: bits })
    }

    fn channels(&self) -> usize {
        self.pictures.channels()
    }

    fn classes(&self) -> usize {
        1 << self.stages
    }
}
