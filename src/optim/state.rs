//! What a checkpoint keeps of an optimiser.

use super::{Method, Optimizer};
use crate::{Error, Result};

/// An optimiser's state, exact to the bit and independent of the device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimState {
    /// Steps taken.
    pub step: u64,
    /// Other numbers by name (NAdam: `mu_product`). To be kept exactly, as by their bits.
    pub scalars: Vec<(String, f64)>,
    /// Moments, named `exp_avg.<parameter>` and so on as in PyTorch: f32, little-endian, in PyTorch's order.
    pub tensors: Vec<(String, Vec<u8>)>,
}

const MU_PRODUCT: &str = "mu_product";

impl Optimizer {
    /// Reads the state back; waits for the device.
    ///
    /// # Errors
    /// As [`crate::gpu::Context::read`].
    pub fn state(&self) -> Result<OptimState> {
        let mut tensors = Vec::new();
        for (moment, arenas) in &self.moments {
            let each = self.weights.export_like(arenas)?.into_iter();
            tensors.extend(each.map(|(name, data)| {
                (format!("{moment}.{name}"), data.iter().flat_map(|v| v.to_le_bytes()).collect())
            }));
        }
        Ok(OptimState { step: self.step, scalars: self.scalars(), tensors })
    }

    fn scalars(&self) -> Vec<(String, f64)> {
        match self.spec.method {
            Method::NAdam(_) => vec![(MU_PRODUCT.to_string(), self.mu_product)],
            _ => Vec::new(),
        }
    }

    /// Goes on from a state that an optimiser of the same method and parameters gave. Changes nothing if it
    /// does not fit.
    ///
    /// # Errors
    /// [`Error::Check`] naming what is missing, too many or of another size.
    pub fn restore(&mut self, state: &OptimState) -> Result<()> {
        let unfit = |what: String| Error::Check(format!("the saved optimiser state {what}"));
        let mut writes = Vec::new();
        for (moment, arenas) in &self.moments {
            for param in self.weights.params.iter().filter(|p| p.trained) {
                let key = format!("{moment}.{}", param.name);
                let found = state.tensors.iter().find(|(name, _)| *name == key);
                let (_, bytes) = found.ok_or_else(|| unfit(format!("lacks {key}")))?;
                if bytes.len() != 4 * param.layout.count() {
                    let (have, want) = (bytes.len(), 4 * param.layout.count());
                    return Err(unfit(format!("has {have} bytes of {key}, {want} are wanted")));
                }
                writes.push((arenas, param.name.as_str(), bytes));
            }
        }
        if writes.len() != state.tensors.len() {
            return Err(unfit("is of another method or of more parameters".into()));
        }
        let mut mu_product = 1.0;
        for (name, _) in self.scalars() {
            let found = state.scalars.iter().find(|s| s.0 == name);
            mu_product = found.ok_or_else(|| unfit(format!("lacks {name}")))?.1;
        }
        for (arenas, name, bytes) in writes {
            let (words, _) = bytes.as_chunks::<4>();
            let data: Vec<f32> = words.iter().map(|b| f32::from_le_bytes(*b)).collect();
            self.weights.write_like(arenas, name, &data)?;
        }
        (self.step, self.mu_product) = (state.step, mu_product);
        Ok(())
    }
}
