//! The device: chosen by name, index or preference, or lent by a host program.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use serde::Serialize;

use super::{
    Capabilities, Choices, Kernel, Matrices, Variant,
    transfer::{Transfers, unlock},
};
use crate::{Error, Result};

/// Which adapter to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Select {
    /// The fastest: discrete before integrated before virtual before software.
    #[default]
    Best,
    /// The n-th that [`adapters`] lists.
    Index(usize),
    /// The first whose name contains this, ignoring case.
    Name(String),
}

impl Select {
    /// Reads `--adapter`: a number, a part of a name, or nothing; the environment variable
    /// `GYRE_ADAPTER` stands in for nothing.
    pub fn parse(text: Option<&str>) -> Self {
        let from_env = std::env::var("GYRE_ADAPTER").ok();
        match text.map(str::to_string).or(from_env).as_deref().map(str::trim) {
            None | Some("") => Self::Best,
            Some(t) => t.parse().map_or_else(|_| Self::Name(t.to_lowercase()), Self::Index),
        }
    }
}

/// What the adapter offers beyond WebGPU's defaults (tier 1). Kernels that need one of these have a
/// form that does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tier {
    /// 1 portable, 2 with subgroups, f16 and timestamps, 3 with cooperative matrices.
    pub level: u8,
    /// Subgroup operations in compute shaders.
    pub subgroups: bool,
    /// f16 in shaders and storage.
    pub f16: bool,
    /// GPU timestamps.
    pub timestamps: bool,
    /// Immediates (push constants).
    pub immediates: bool,
    /// Cooperative matrices.
    pub cooperative_matrix: bool,
}

impl Tier {
    /// Of a set of features.
    pub fn of(features: wgpu::Features) -> Self {
        let has = |f| features.contains(f);
        let mut tier = Self {
            level: 1,
            subgroups: has(wgpu::Features::SUBGROUP),
            f16: has(wgpu::Features::SHADER_F16),
            timestamps: has(wgpu::Features::TIMESTAMP_QUERY),
            immediates: has(wgpu::Features::IMMEDIATES),
            cooperative_matrix: has(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX),
        };
        if tier.subgroups && tier.f16 && tier.timestamps {
            tier.level = if tier.cooperative_matrix { 3 } else { 2 };
        }
        tier
    }
}

/// Messages the driver sent outside any call of ours, kept until someone asks.
#[derive(Debug, Default)]
struct Inbox {
    /// The first error since someone asked.
    error: Option<String>,
    /// Why the device is gone; it does not come back.
    lost: Option<String>,
}

/// A device with its shader cache.
#[derive(Debug)]
pub struct Context {
    /// The wgpu device, own or the host's.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    /// Name, driver and kind of the adapter.
    pub info: wgpu::AdapterInfo,
    /// What the device may use.
    pub tier: Tier,
    /// Its matrix units, where kernels may use them; a host's device lends none.
    pub matrices: Option<Matrices>,
    /// The device's limits.
    pub limits: wgpu::Limits,
    /// Compile shaders with bounds checks.
    checked: bool,
    kernels: Mutex<HashMap<Variant, Arc<Kernel>>>,
    choices: Mutex<Choices>,
    pipelines: Option<wgpu::PipelineCache>,
    inbox: Arc<Mutex<Inbox>>,
    pub(super) transfers: Transfers,
}

fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    wgpu::Instance::new(descriptor)
}

/// All adapters, best first; ties keep the driver's order.
pub fn adapters() -> Vec<wgpu::Adapter> {
    let mut all = pollster::block_on(instance().enumerate_adapters(wgpu::Backends::PRIMARY));
    all.sort_by_key(|a| match a.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Cpu => 3,
        wgpu::DeviceType::Other => 4,
    });
    all
}

fn choose(select: &Select) -> Result<wgpu::Adapter> {
    let all = adapters();
    let names: Vec<String> = all.iter().map(|a| a.get_info().name).collect();
    let found = match select {
        Select::Best => all.into_iter().next(),
        Select::Index(i) => all.into_iter().nth(*i),
        Select::Name(part) => all.into_iter().find(|a| a.get_info().name.to_lowercase().contains(part)),
    };
    found.ok_or_else(|| {
        Error::NoAdapter(if names.is_empty() {
            "none found; install a Vulkan driver (without a GPU, Mesa's software driver: \
             the package mesa-vulkan-drivers or vulkan-swrast)"
                .into()
        } else {
            format!("{select:?} matches none of {names:?}; see `gyre info`")
        })
    })
}

impl Context {
    /// Features that the engine uses where the adapter has them; a host may ask for these.
    pub fn required_features(adapter: &wgpu::Adapter) -> wgpu::Features {
        let wanted = wgpu::Features::SUBGROUP
            | wgpu::Features::SHADER_F16
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::IMMEDIATES
            | wgpu::Features::PIPELINE_CACHE;
        adapter.features() & wanted
    }

    /// Limits that the engine works best with: the adapter's own for buffers and workgroups. The portable
    /// tier, `wgpu::Limits::default()`, is enough.
    pub fn required_limits(adapter: &wgpu::Adapter) -> wgpu::Limits {
        let own = adapter.limits();
        wgpu::Limits {
            max_buffer_size: own.max_buffer_size,
            max_storage_buffer_binding_size: own.max_storage_buffer_binding_size,
            max_compute_workgroup_storage_size: own.max_compute_workgroup_storage_size,
            max_immediate_size: own.max_immediate_size.min(128),
            min_storage_buffer_offset_alignment: own.min_storage_buffer_offset_alignment,
            ..wgpu::Limits::default().or_worse_values_from(&own)
        }
    }

    /// Opens the adapter that `select` names.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if none matches, [`Error::Device`] if the driver refuses a device.
    pub fn new(select: &Select) -> Result<Self> {
        let adapter = choose(select)?;
        let mut features = Self::required_features(&adapter);
        let matrices = Matrices::of(&adapter);
        if matrices.is_some() {
            features |= wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX;
        }
        let context = Self::open(&adapter, features, Self::required_limits(&adapter))?;
        Ok(Self { matrices, ..context })
    }

    /// Opens the adapter held to the portable tier: WebGPU's default limits and no optional feature.
    ///
    /// # Errors
    /// As [`Context::new`].
    pub fn portable(select: &Select) -> Result<Self> {
        Self::open(&choose(select)?, wgpu::Features::empty(), wgpu::Limits::default())
    }

    fn open(adapter: &wgpu::Adapter, features: wgpu::Features, limits: wgpu::Limits) -> Result<Self> {
        let experimental_features = if features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX) {
            // SAFETY: what the experiment asks is that its shaders are valid; those are ours, and naga checks
            // them in the tests with the rest.
            unsafe { wgpu::ExperimentalFeatures::enabled() }
        } else {
            wgpu::ExperimentalFeatures::disabled()
        };
        let request = adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("gyre"),
            required_features: features,
            required_limits: limits,
            experimental_features,
            ..Default::default()
        });
        let (device, queue) = pollster::block_on(request).map_err(|e| Error::Device(e.to_string()))?;
        let context = Self::from_device(device, queue);
        let (errors, lost) = (context.inbox.clone(), context.inbox.clone());
        context.device.on_uncaptured_error(Arc::new(move |e| {
            unlock(&errors).error.get_or_insert_with(|| e.to_string());
        }));
        context.device.set_device_lost_callback(move |reason, message| {
            unlock(&lost).lost = Some(format!("the device was lost ({reason:?}): {message}"));
        });
        Ok(context)
    }

    /// Wraps a host's device. The host's own error and device-lost callbacks stay as they are.
    pub fn from_device(device: wgpu::Device, queue: wgpu::Queue) -> Self {
        Self {
            info: device.adapter_info(),
            tier: Tier::of(device.features()),
            limits: device.limits(),
            matrices: None,
            checked: false,
            kernels: Mutex::default(),
            choices: Mutex::default(),
            pipelines: None,
            inbox: Arc::default(),
            transfers: Transfers::default(),
            device,
            queue,
        }
    }

    /// Compiles shaders with naga's bounds and loop checks; slower, for tests and doubtful drivers.
    #[must_use]
    pub fn with_checks(mut self, on: bool) -> Self {
        self.checked = on;
        self
    }

    /// Starts from pipelines that [`Self::pipelines`] gave in an earlier process, so that the driver need not
    /// compile them again; without any, begins to collect them. Does nothing on a device that cannot (all but
    /// Vulkan).
    ///
    /// # Safety
    /// `data` must be what [`Self::pipelines`] gave, unaltered.
    #[must_use]
    pub unsafe fn with_pipelines(mut self, data: Option<&[u8]>) -> Self {
        if self.device.features().contains(wgpu::Features::PIPELINE_CACHE) {
            let descriptor = wgpu::PipelineCacheDescriptor { label: Some("gyre"), data, fallback: true };
            // SAFETY: passed on to the caller; wgpu and the driver refuse data of other devices and versions.
            let (cache, error) = self.scoped(|| unsafe { self.device.create_pipeline_cache(&descriptor) });
            self.pipelines = error.is_none().then_some(cache);
        }
        self
    }

    /// The pipelines compiled so far, for [`Self::with_pipelines`] of a later process.
    pub fn pipelines(&self) -> Option<Vec<u8>> {
        self.pipelines.as_ref()?.get_data()
    }

    pub(crate) fn pipeline_cache(&self) -> Option<&wgpu::PipelineCache> {
        self.pipelines.as_ref()
    }

    /// True for a software driver: the processor is the device.
    pub fn is_software(&self) -> bool {
        self.info.device_type == wgpu::DeviceType::Cpu
    }

    /// What kernels are chosen by.
    pub fn capabilities(&self) -> Capabilities {
        Capabilities {
            software: self.is_software(),
            tier: self.tier,
            matrices: self.matrices,
            workgroup_bytes: self.limits.max_compute_workgroup_storage_size,
            invocations: self.limits.max_compute_invocations_per_workgroup,
            tensor_bytes: self.limits.max_storage_buffer_binding_size.min(self.limits.max_buffer_size),
        }
    }

    /// The forms of kernels that plans for this device use; for what is not in it, the operators' own guess.
    pub fn choices(&self) -> Choices {
        unlock(&self.choices).clone()
    }

    /// Adds to [`Self::choices`] what is not in it.
    pub(crate) fn keep(&self, choices: Choices) {
        let mut all = unlock(&self.choices);
        for (key, form) in choices.0 {
            all.0.entry(key).or_insert(form);
        }
    }

    /// Adds to [`Self::choices`], for plans made from now on.
    pub fn choose(&self, choices: Choices) {
        unlock(&self.choices).extend(choices);
    }

    /// The compiled kernel of `variant`, from the cache where it is there.
    ///
    /// # Errors
    /// [`Error::Shader`] as [`Kernel::new`] gives it.
    pub fn kernel(&self, variant: &Variant) -> Result<Arc<Kernel>> {
        if let Some(kernel) = unlock(&self.kernels).get(variant) {
            return Ok(kernel.clone());
        }
        // Compiled outside the lock, so that several threads can compile at once.
        let kernel = Arc::new(Kernel::new(self, variant)?);
        let mut cache = unlock(&self.kernels);
        Ok(cache.entry(variant.clone()).or_insert(kernel).clone())
    }

    pub(crate) fn shader_module(&self, label: &str, wgsl: &str) -> wgpu::ShaderModule {
        let descriptor = wgpu::ShaderModuleDescriptor {
            label: Some(label),
            source: wgpu::ShaderSource::Wgsl(wgsl.into()),
        };
        if self.checked {
            return self.device.create_shader_module(descriptor);
        }
        // SAFETY: the sources are ours; every kernel guards its own indices, which the tests also run
        // under the checked build.
        unsafe {
            self.device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
        }
    }

    /// Runs `f` and gives back what it made with the first error the driver raised meanwhile, if any.
    pub(crate) fn scoped<T>(&self, f: impl FnOnce() -> T) -> (T, Option<String>) {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let value = f();
        let errors = [internal, validation, memory].map(|scope| pollster::block_on(scope.pop()));
        (value, errors.into_iter().flatten().next().map(|e| e.to_string()))
    }

    /// A zeroed buffer of `bytes` (rounded up to 4).
    ///
    /// # Errors
    /// [`Error::OutOfMemory`] if it passes the device's limits or the driver has no room.
    pub fn buffer(&self, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Result<wgpu::Buffer> {
        let size = bytes.max(4).next_multiple_of(4);
        let binding = if usage.contains(wgpu::BufferUsages::STORAGE) {
            self.limits.max_storage_buffer_binding_size
        } else {
            u64::MAX
        };
        let limit = self.limits.max_buffer_size.min(binding);
        if size > limit {
            return Err(Error::OutOfMemory(format!(
                "{label} needs {size} bytes in one buffer, the device allows {limit}"
            )));
        }
        let descriptor =
            wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        let (buffer, error) = self.scoped(|| self.device.create_buffer(&descriptor));
        match error {
            Some(message) => Err(Error::OutOfMemory(format!("{label} ({size} bytes): {message}"))),
            None => Ok(buffer),
        }
    }

    /// Waits for everything submitted and reports what went wrong since the last call.
    ///
    /// # Errors
    /// [`Error::Device`] with the driver's message.
    pub fn wait(&self) -> Result<()> {
        self.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| Error::Device(e.to_string()))?;
        self.told()
    }

    /// Reports an error that the device raised on its own, without waiting.
    ///
    /// # Errors
    /// [`Error::Device`] with the driver's message.
    pub fn check(&self) -> Result<()> {
        // The loss of the device is only told to who polls.
        self.device.poll(wgpu::PollType::Poll).map_err(|e| Error::Device(e.to_string()))?;
        self.told()
    }

    /// What the device told of itself since someone asked.
    pub(super) fn told(&self) -> Result<()> {
        let mut inbox = unlock(&self.inbox);
        match inbox.lost.clone().or_else(|| inbox.error.take()) {
            Some(message) => Err(Error::Device(message)),
            None => Ok(()),
        }
    }
}
