//! What a checkpoint keeps of an optimiser.

use super::{Method, Optimizer, scaling};
use crate::{Error, Result};

/// An optimiser's state, exact to the bit and independent of the device.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimState {
    /// Steps taken.
    pub step: u64,
    /// Other numbers by name (NAdam's `mu_product`, how loss scaling stands). To be kept exactly, as by their bits.
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
        let scalars = match (&self.scaler, self.spec.method) {
            (Some(scaler), _) => scaler.scalars(&self.weights.context)?,
            (None, Method::NAdam(_)) => vec![(MU_PRODUCT.to_string(), self.mu_product)],
            _ => Vec::new(),
        };
        Ok(OptimState { step: self.step, scalars, tensors })
    }

    /// Names of the numbers beside the tensors. With loss scaling the device counts the steps that are taken.
    fn scalars(&self) -> Vec<&'static str> {
        match (&self.scaler, self.spec.method) {
            (Some(_), _) => scaling::kept().collect(),
            (None, Method::NAdam(_)) => vec![MU_PRODUCT],
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
        let number = |name: &str| {
            let found = state.scalars.iter().find(|s| s.0 == name);
            found.map(|s| s.1).ok_or_else(|| unfit(format!("lacks {name}")))
        };
        let scalars = self.scalars().into_iter().map(number).collect::<Result<Vec<_>>>()?;
        for (arenas, name, bytes) in writes {
            let (words, _) = bytes.as_chunks::<4>();
            let data: Vec<f32> = words.iter().map(|b| f32::from_le_bytes(*b)).collect();
            self.weights.write_like(arenas, name, &data)?;
        }
        self.step = state.step;
        match &self.scaler {
            Some(scaler) => scaler.restore(&self.weights.context, &scalars),
            None => self.mu_product = scalars.first().copied().unwrap_or(1.0),
        }
        Ok(())
    }
}
