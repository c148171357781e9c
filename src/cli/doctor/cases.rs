//! Reference files: cases with inputs, settings and expected results, in safetensors.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Error, Result,
    graph::{Layout, Shape},
    io::weights::{self, Tensor, TensorMap},
    ops::check::{Distance, Tolerance},
};

/// One case as the file's metadata describe it.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    /// Unique in the file.
    pub id: String,
    /// op, loss, model, energy, metric or optim.
    pub kind: String,
    /// What is computed.
    pub name: String,
    /// Its settings.
    #[serde(default)]
    pub attrs: Map<String, Value>,
    #[serde(default, rename = "in")]
    pub inputs: Vec<String>,
    #[serde(default)]
    pub param: Vec<String>,
    #[serde(default)]
    pub out: Vec<String>,
    #[serde(default)]
    pub grad: Vec<String>,
    /// Numbers that stand in the case itself, those of metrics.
    #[serde(default)]
    pub expected: Map<String, Value>,
    #[serde(default)]
    rtol: f64,
    #[serde(default)]
    atol: f64,
    #[serde(default)]
    tol: Map<String, Value>,
}

/// A reference file.
pub struct CaseFile {
    pub path: PathBuf,
    pub cases: Vec<Case>,
    tensors: TensorMap,
}

/// The tensor of a case that was furthest from its reference.
#[derive(Clone, Debug, Serialize)]
pub struct Worst {
    pub tensor: String,
    pub max_abs: f64,
    pub ratio: f64,
    pub rtol: f64,
    pub atol: f64,
}

impl CaseFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::Weights`] if it is no reference file.
    pub fn read(path: &Path) -> Result<Self> {
        let (tensors, metadata) = weights::read(path)?;
        let foreign = |why: String| Error::Weights {
            path: path.into(),
            message: format!("is no reference file: {why}"),
        };
        if metadata.get("format").map(String::as_str) != Some("gyre-golden-1") {
            return Err(foreign("its metadata do not say format gyre-golden-1".into()));
        }
        let text = metadata.get("cases").ok_or_else(|| foreign("it lists no cases".into()))?;
        let cases = serde_json::from_str(text).map_err(|e| foreign(e.to_string()))?;
        Ok(Self { path: path.into(), cases, tensors })
    }

    /// A tensor of a case, such as `in.x`.
    ///
    /// # Errors
    /// [`Error::Weights`] if it is not there.
    pub fn tensor(&self, case: &Case, name: &str) -> Result<&Tensor> {
        let key = format!("{}/{name}", case.id);
        let missing = || Error::Weights { path: self.path.clone(), message: format!("has no tensor {key}") };
        self.tensors.get(&key).ok_or_else(missing)
    }

    /// The tensor with its storage shape and in storage order.
    ///
    /// # Errors
    /// As [`Self::tensor`], and for more than four axes.
    pub fn stored(&self, case: &Case, name: &str) -> Result<(Shape, Vec<f32>)> {
        let tensor = self.tensor(case, name)?;
        let shape = shape_of(&tensor.shape)?;
        let is_picture = tensor.shape.len() == 4;
        let data =
            if is_picture { Layout::Tensor(shape).to_storage(&tensor.data) } else { tensor.data.clone() };
        Ok((shape, data))
    }
}

/// Storage shape of a file's tensor: four axes are NCHW, two a matrix, one a vector of channels; the last two
/// lie in storage as they lie in the file.
pub fn shape_of(file: &[usize]) -> Result<Shape> {
    match *file {
        [n, c, h, w] => Ok(Shape::new(n, h, w, c)),
        [rows, cols] => Ok(Shape::new(1, 1, rows, cols)),
        [c] => Ok(Shape::channels(c)),
        _ => Err(Error::Check(format!("a tensor of shape {file:?} has no place here"))),
    }
}

/// Gathers the comparisons of one case.
pub struct Judge<'a> {
    pub file: &'a CaseFile,
    pub case: &'a Case,
    worst: Option<Worst>,
    compared: usize,
    missing: Vec<String>,
}

impl<'a> Judge<'a> {
    pub fn new(file: &'a CaseFile, case: &'a Case) -> Self {
        Self { file, case, worst: None, compared: 0, missing: Vec::new() }
    }

    fn tolerance(&self, name: &str) -> Tolerance {
        let pair = self.case.tol.get(name).and_then(Value::as_array);
        let number = |i: usize, or: f64| pair.and_then(|p| p.get(i)).and_then(Value::as_f64).unwrap_or(or);
        Tolerance { rtol: number(0, self.case.rtol), atol: number(1, self.case.atol) }
    }

    /// Compares numbers in the file's order with the tensor `name`, such as `out.y`.
    ///
    /// # Errors
    /// If the file has no such tensor.
    pub fn compare(&mut self, name: &str, got: &[f32]) -> Result<()> {
        let want: Vec<f64> = self.file.tensor(self.case, name)?.data.iter().map(|v| f64::from(*v)).collect();
        let got: Vec<f64> = got.iter().map(|v| f64::from(*v)).collect();
        self.judge(name, &got, &want);
        Ok(())
    }

    /// As [`Self::compare`] for numbers in storage order.
    ///
    /// # Errors
    /// If the file has no such tensor.
    pub fn compare_stored(&mut self, name: &str, shape: Shape, got: &[f32]) -> Result<()> {
        let is_picture = self.file.tensor(self.case, name)?.shape.len() == 4;
        if is_picture {
            self.compare(name, &Layout::Tensor(shape).from_storage(got))
        } else {
            self.compare(name, got)
        }
    }

    /// Compares with the case's own expected numbers; what else `made` holds is not looked at.
    pub fn expect(&mut self, made: &Map<String, Value>) {
        for (name, want) in &self.case.expected {
            match made.get(name) {
                Some(got) => self.compare_value(name, got, want),
                None => self.missing.push(name.clone()),
            }
        }
    }

    /// Numbers by the case's tolerance, and all else, undefined ones too, by equality.
    fn compare_value(&mut self, name: &str, got: &Value, want: &Value) {
        match (got, want) {
            (Value::Object(got), Value::Object(want)) if got.keys().eq(want.keys()) => {
                want.iter()
                    .for_each(|(key, want)| self.compare_value(&format!("{name}.{key}"), &got[key], want));
            }
            (Value::Array(got), Value::Array(want)) if got.len() == want.len() => {
                got.iter().zip(want).for_each(|(got, want)| self.compare_value(name, got, want));
            }
            (Value::Number(got), Value::Number(want)) => {
                let numbers = [got, want].map(|v| v.as_f64().unwrap_or(f64::NAN));
                self.judge(name, &numbers[..1], &numbers[1..]);
            }
            (got, want) if got == want => self.compared += 1,
            (got, want) => self.missing.push(format!("{name} is {got}, should be {want};")),
        }
    }

    fn judge(&mut self, name: &str, got: &[f64], want: &[f64]) {
        let tolerance = self.tolerance(name);
        let Distance { max_abs, ratio } = Distance::between(got, want, tolerance);
        self.compared += 1;
        if self.worst.as_ref().is_none_or(|w| ratio > w.ratio) {
            let Tolerance { rtol, atol } = tolerance;
            // JSON has no infinity.
            let (max_abs, ratio) = (max_abs.min(f64::MAX), ratio.min(f64::MAX));
            self.worst = Some(Worst { tensor: name.into(), max_abs, ratio, rtol, atol });
        }
    }

    /// True if everything that the case expects was compared and near enough.
    pub fn verdict(self) -> (bool, Option<Worst>, String) {
        if !self.missing.is_empty() {
            return (false, self.worst, format!("expected, but not so: {}", self.missing.join(" ")));
        }
        if !self.case.expected.is_empty() && self.compared > 0 {
            let ok = self.worst.as_ref().is_none_or(|w| w.ratio <= 1.0);
            return (ok, self.worst, String::new());
        }
        let expected = self.case.out.len() + self.case.grad.len();
        if self.compared != expected || expected == 0 {
            let reason = format!("{} of {expected} expected tensors were compared", self.compared);
            return (false, self.worst, reason);
        }
        let ok = self.worst.as_ref().is_some_and(|w| w.ratio <= 1.0);
        (ok, self.worst, String::new())
    }
}

/// Access to the settings of a case.
impl Case {
    /// A number, or `or`.
    pub fn number(&self, key: &str, or: f64) -> f64 {
        self.attrs.get(key).and_then(Value::as_f64).unwrap_or(or)
    }

    /// A count, or `or`.
    pub fn count(&self, key: &str, or: usize) -> usize {
        self.attrs.get(key).and_then(Value::as_u64).map_or(or, |v| v as usize)
    }

    /// A truth value, or `or`.
    pub fn flag(&self, key: &str, or: bool) -> bool {
        self.attrs.get(key).and_then(Value::as_bool).unwrap_or(or)
    }

    /// A word, or nothing.
    pub fn word(&self, key: &str) -> &str {
        self.attrs.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A list of `N` counts, or one for all; `or` where there is none.
    ///
    /// # Errors
    /// [`Error::Check`] for anything else.
    pub fn counts<const N: usize>(&self, key: &str, or: [usize; N]) -> Result<[usize; N]> {
        let Some(value) = self.attrs.get(key) else { return Ok(or) };
        let count = |v: &Value| v.as_u64().and_then(|v| usize::try_from(v).ok());
        let list: Option<Vec<usize>> = match value {
            Value::Array(list) => list.iter().map(count).collect(),
            one => count(one).map(|one| vec![one; N]),
        };
        let list = list.and_then(|list| list.try_into().ok());
        list.ok_or_else(|| Error::Check(format!("{key} is {value}; {N} counts are wanted")))
    }

    /// True if a tensor is listed in `in`, `param`, `out` or `grad`.
    pub fn has(&self, role: &str, name: &str) -> bool {
        let list = match role {
            "in" => &self.inputs,
            "param" => &self.param,
            "out" => &self.out,
            _ => &self.grad,
        };
        list.iter().any(|n| n == name)
    }
}
