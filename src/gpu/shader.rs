//! The shader library: WESL sources embedded in the binary, expanded per variant, checked by naga.
//!
//! A kernel is a file below `shaders/`. It imports shared modules (`import package::shared::...`) and
//! its tile sizes from the generated module `package::variant`; `@if(feature)` chooses between forms.

use std::borrow::Cow;

use naga::{AddressSpace, ImageClass, ImageDimension, ScalarKind, StorageAccess, StorageFormat, TypeInner};
use wesl::{ManglerKind, ModulePath, VirtualResolver, Wesl};

use super::half;
use crate::{Error, Result};

static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/shaders.rs"));

/// Names and texts of all embedded shader files, names without the ending.
pub fn sources() -> &'static [(&'static str, &'static str)] {
    SOURCES
}

/// One form of a kernel: a file, the `@if` features that are on, and the constants injected.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Variant {
    /// File below `shaders/`, without ending.
    pub file: &'static str,
    /// Features on in this form; all others are off.
    pub features: Vec<String>,
    /// Members of the module `package::variant`, as `const NAME: u32`.
    pub consts: Vec<(&'static str, u32)>,
    /// Buffers that are stored as f16, counted from the one after the uniform; arithmetic stays in f32.
    pub half: Vec<usize>,
}

impl Variant {
    /// The plain form of `file`.
    pub fn new(file: &'static str) -> Self {
        Self { file, features: Vec::new(), consts: Vec::new(), half: Vec::new() }
    }

    /// Turns feature `name` on where `on`.
    #[must_use]
    pub fn feature(mut self, name: impl Into<String>, on: bool) -> Self {
        if on {
            self.features.push(name.into());
        }
        self
    }

    /// Injects `const name: u32 = value`.
    #[must_use]
    pub fn constant(mut self, name: &'static str, value: u32) -> Self {
        self.consts.push((name, value));
        self
    }

    /// A readable, unique name: `conv2d/dense[bias,relu;PIXELS=8;half 0,2]`.
    pub fn label(&self) -> String {
        let consts: Vec<_> = self.consts.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let half: Vec<_> = self.half.iter().map(usize::to_string).collect();
        let half = if half.is_empty() { String::new() } else { format!(";half {}", half.join(",")) };
        match (self.features.is_empty(), consts.is_empty(), half.is_empty()) {
            (true, true, true) => self.file.to_string(),
            _ => format!("{}[{};{}{half}]", self.file, self.features.join(","), consts.join(",")),
        }
    }
}

/// How a shader uses one binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Binding {
    /// `var<uniform>`: the parameters.
    Uniform,
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`.
    ReadWrite,
    /// `texture_2d<f32>`, read without a sampler.
    Texture,
    /// `texture_storage_2d<rgba8unorm, write>`.
    StorageTexture,
}

/// A variant's plain WGSL with what the host needs to know of it.
#[derive(Clone, Debug)]
pub struct Expanded {
    /// The WGSL text, as compiled, hashed and dumped.
    pub wgsl: String,
    /// Number and use of the bindings of group 0, in order; the numbers of those that this form does
    /// without are left out.
    pub bindings: Vec<(u32, Binding)>,
    /// Members of the uniform struct in order; each is a 4-byte scalar.
    pub params: Vec<String>,
    /// Invocations along x, y, z.
    pub workgroup: [u32; 3],
    /// Workgroup memory in bytes.
    pub workgroup_bytes: u32,
    /// The parsed module.
    pub module: naga::Module,
}

fn module_path(name: &str) -> ModulePath {
    ModulePath::from_path(format!("/{name}"))
}

/// Expands `variant` to plain WGSL and reflects its bindings.
///
/// # Errors
/// [`Error::Shader`] if the file is unknown, does not compile, has a uniform struct with members that are not
/// 4-byte scalars, or uses a buffer in a way that half precision does not allow.
pub fn expand(variant: &Variant) -> Result<Expanded> {
    let fail = |message: String| Error::Shader { shader: variant.label(), message };
    let mut resolver = VirtualResolver::new();
    for (name, text) in SOURCES {
        resolver.add_module(module_path(name), Cow::Borrowed(*text));
    }
    let consts: String = variant.consts.iter().map(|(k, v)| format!("const {k}: u32 = {v}u;\n")).collect();
    resolver.add_module(module_path("variant"), Cow::Owned(consts));
    let mut compiler = Wesl::new_barebones().set_custom_resolver(resolver);
    compiler.use_imports(true).use_condcomp(true).use_stripping(true).set_mangler(ManglerKind::None);
    compiler.set_missing_feature_behavior(wesl::Feature::Disable);
    for feature in &variant.features {
        compiler.set_feature(feature, true);
    }
    let mut composed =
        compiler.compile(&module_path(variant.file)).map_err(|e| fail(plain(&e.to_string())))?;
    if !variant.half.is_empty() {
        half::halve(&mut composed.syntax, &variant.half).map_err(fail)?;
    }
    let wgsl = composed.to_string();
    let module = naga::front::wgsl::parse_str(&wgsl).map_err(|e| fail(e.emit_to_string(&wgsl)))?;
    reflect(wgsl, module).map_err(fail)
}

/// Without the colours that the compiler puts into its messages.
fn plain(message: &str) -> String {
    let mut parts = message.split('\u{1b}');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |text, part| text + part.split_once('m').map_or(part, |p| p.1))
}

/// Reads bindings, parameters and workgroup size off a parsed module.
fn reflect(wgsl: String, module: naga::Module) -> Result<Expanded, String> {
    let mut bindings: Vec<(u32, Binding)> = Vec::new();
    let mut params = Vec::new();
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).map_err(|e| e.to_string())?;
    let mut workgroup_bytes = 0;
    for (_, var) in module.global_variables.iter() {
        let kind = match var.space {
            AddressSpace::Uniform => Binding::Uniform,
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => Binding::ReadWrite,
            AddressSpace::Storage { .. } => Binding::Read,
            AddressSpace::Handle => texture(&module.types[var.ty].inner)?,
            AddressSpace::WorkGroup => {
                workgroup_bytes += layouter[var.ty].size;
                continue;
            }
            _ => continue,
        };
        if kind == Binding::Uniform {
            params = scalar_members(&module, var.ty)?;
        }
        let slot = var.binding.as_ref().ok_or("a buffer or texture without @binding")?;
        bindings.push((slot.binding, kind));
    }
    bindings.sort_by_key(|b| b.0);
    let entry = module.entry_points.first().ok_or("no entry point")?;
    let workgroup = entry.workgroup_size;
    Ok(Expanded { wgsl, bindings, params, workgroup, workgroup_bytes, module })
}

/// The use of a binding that is no buffer.
fn texture(ty: &TypeInner) -> Result<Binding, String> {
    match *ty {
        TypeInner::Image { dim: ImageDimension::D2, arrayed: false, class } => match class {
            ImageClass::Sampled { kind: ScalarKind::Float, multi: false } => Ok(Binding::Texture),
            ImageClass::Storage { format: StorageFormat::Rgba8Unorm, access: StorageAccess::STORE } => {
                Ok(Binding::StorageTexture)
            }
            _ => Err(format!("no kernel uses textures of the class {class:?}")),
        },
        _ => Err("kernels use 2-D textures and no samplers".into()),
    }
}

fn scalar_members(module: &naga::Module, ty: naga::Handle<naga::Type>) -> Result<Vec<String>, String> {
    let TypeInner::Struct { members, .. } = &module.types[ty].inner else {
        return Err("the uniform must be a struct".into());
    };
    members
        .iter()
        .enumerate()
        .map(|(i, m)| match module.types[m.ty].inner {
            TypeInner::Scalar(s) if s.width == 4 && m.offset == 4 * i as u32 => {
                Ok(m.name.clone().unwrap_or_default())
            }
            _ => Err(format!("uniform member {:?} is not a packed 4-byte scalar", m.name)),
        })
        .collect()
}
