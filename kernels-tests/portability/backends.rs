//! Kernels as the back ends of wgpu would have them from naga, with the options that wgpu sets.

use std::collections::BTreeMap;

use gyre::gpu::{Binding, Expanded};
use naga::{
    ResourceBinding, ShaderStage,
    back::{glsl, hlsl, msl, spv, wgsl},
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};

/// With naga's bounds and loop checks, or trusted.
pub const BUILDS: [bool; 2] = [false, true];

/// Whether a kernel stores buffers in half.
pub fn is_half(kernel: &Expanded) -> bool {
    kernel.wgsl.starts_with("enable f16;")
}

/// Whether a kernel runs on matrix units: tier 3, for Vulkan and Metal alone.
pub fn is_matrix(kernel: &Expanded) -> bool {
    kernel.wgsl.contains("enable wgpu_cooperative_matrix;")
}

/// Validates a kernel: nothing beyond WebGPU's core, but for f16 and cooperative matrices where it says so.
pub fn validate(kernel: &Expanded) -> Result<ModuleInfo, String> {
    validate_module(&kernel.module, kernel)
}

fn validate_module(module: &naga::Module, kernel: &Expanded) -> Result<ModuleInfo, String> {
    let mut capabilities = Capabilities::empty();
    capabilities.set(Capabilities::SHADER_FLOAT16, is_half(kernel));
    capabilities.set(Capabilities::COOPERATIVE_MATRIX, is_matrix(kernel));
    let mut validator = Validator::new(ValidationFlags::all(), capabilities);
    validator.validate(module).map_err(|e| format!("{:?}", e.into_inner()))
}

fn entry(kernel: &Expanded) -> &naga::EntryPoint {
    &kernel.module.entry_points[0]
}

fn policies(checked: bool) -> BoundsCheckPolicies {
    let policy = if checked { BoundsCheckPolicy::Restrict } else { BoundsCheckPolicy::Unchecked };
    BoundsCheckPolicies {
        index: policy,
        buffer: policy,
        image_load: policy,
        binding_array: BoundsCheckPolicy::Unchecked,
    }
}

/// The sort of HLSL's registers that a binding takes.
fn register(kind: Binding) -> char {
    match kind {
        Binding::Uniform => 'b',
        Binding::Read | Binding::Texture => 't',
        Binding::ReadWrite | Binding::StorageTexture => 'u',
    }
}

/// Every binding of the kernel with what `target` makes of its index, use, and count of those with the same
/// sort of register before it.
fn targets<T>(kernel: &Expanded, target: impl Fn(u32, Binding, u32) -> T) -> BTreeMap<ResourceBinding, T> {
    let same = |a: Binding, b: Binding| register(a) == register(b);
    let before =
        |i: usize, kind: Binding| kernel.bindings[..i].iter().filter(|b| same(b.1, kind)).count() as u32;
    let one = |(i, (binding, kind)): (usize, &(u32, Binding))| {
        (ResourceBinding { group: 0, binding: *binding }, target(i as u32, *kind, before(i, *kind)))
    };
    kernel.bindings.iter().enumerate().map(one).collect()
}

/// SPIR-V 1.3, as Vulkan 1.1 takes it, with the capabilities that every such device has.
pub fn spirv(kernel: &Expanded, info: &ModuleInfo, checked: bool) -> Result<Vec<u8>, String> {
    let mut capabilities = vec![spv::Capability::Shader, spv::Capability::ImageQuery];
    if is_half(kernel) {
        capabilities.extend([spv::Capability::Float16, spv::Capability::StorageBuffer16BitAccess]);
    }
    if is_matrix(kernel) {
        capabilities.extend([spv::Capability::CooperativeMatrixKHR, spv::Capability::VulkanMemoryModel]);
    }
    let options = spv::Options {
        lang_version: (1, 3),
        flags: spv::WriterFlags::DEBUG,
        fake_missing_bindings: false,
        binding_map: targets(kernel, |i, _, _| spv::BindingInfo {
            descriptor_set: 0,
            binding: i,
            binding_array_size: None,
        }),
        capabilities: Some(capabilities.into_iter().collect()),
        bounds_check_policies: policies(checked),
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: checked,
        emit_int_div_checks: checked,
        ..Default::default()
    };
    let entry_point = entry(kernel).name.clone();
    let pipeline = spv::PipelineOptions { shader_stage: ShaderStage::Compute, entry_point };
    let words = spv::write_vec(&kernel.module, info, &options, Some(&pipeline)).map_err(|e| e.to_string())?;
    Ok(words.into_iter().flat_map(u32::to_le_bytes).collect())
}

/// HLSL for shader model 6.0, or 6.2 where it has f16; returns the name of the entry point with it.
pub fn hlsl(kernel: &Expanded, info: &ModuleInfo, checked: bool) -> Result<(String, String), String> {
    let options = hlsl::Options {
        shader_model: if is_half(kernel) { hlsl::ShaderModel::V6_2 } else { hlsl::ShaderModel::V6_0 },
        fake_missing_bindings: false,
        binding_map: targets(kernel, |_, _, register| hlsl::BindTarget {
            register,
            restrict_indexing: checked,
            ..Default::default()
        }),
        zero_initialize_workgroup_memory: false,
        restrict_indexing: checked,
        force_loop_bounding: checked,
        ..Default::default()
    };
    let pipeline =
        hlsl::PipelineOptions { entry_point: Some((ShaderStage::Compute, entry(kernel).name.clone())) };
    let mut text = String::new();
    let reflection = hlsl::Writer::new(&mut text, &options, &pipeline)
        .write(&kernel.module, info, None)
        .map_err(|e| e.to_string())?;
    let names: Result<Vec<_>, _> = reflection.entry_point_names.into_iter().collect();
    let name = names.map_err(|e| e.to_string())?.pop().ok_or("no entry point")?;
    Ok((text, name))
}

/// Metal's language in that version.
pub fn msl(
    kernel: &Expanded,
    info: &ModuleInfo,
    lang_version: (u8, u8),
    checked: bool,
) -> Result<String, String> {
    let resources = msl::EntryPointResources {
        resources: targets(kernel, |i, kind, _| {
            let texture = matches!(kind, Binding::Texture | Binding::StorageTexture);
            msl::BindTarget {
                buffer: (!texture).then_some(i as u8),
                texture: texture.then_some(i as u8),
                mutable: register(kind) == 'u',
                ..Default::default()
            }
        }),
        immediates_buffer: None,
        sizes_buffer: Some(30),
    };
    let name = entry(kernel).name.clone();
    let options = msl::Options {
        lang_version,
        per_entry_point_map: [(name.clone(), resources)].into(),
        fake_missing_bindings: false,
        bounds_check_policies: policies(checked),
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: checked,
        emit_int_div_checks: checked,
        ..Default::default()
    };
    let pipeline =
        msl::PipelineOptions { entry_point: Some((ShaderStage::Compute, name)), ..Default::default() };
    let (text, translation) =
        msl::write_string(&kernel.module, info, &options, &pipeline).map_err(|e| e.to_string())?;
    translation.entry_point_names.into_iter().collect::<Result<Vec<_>, _>>().map_err(|e| e.to_string())?;
    Ok(text)
}

/// GLSL ES 3.1.
pub fn glsl(kernel: &Expanded, info: &ModuleInfo) -> Result<String, String> {
    let options = glsl::Options {
        version: glsl::Version::new_gles(310),
        writer_flags: glsl::WriterFlags::empty(),
        binding_map: targets(kernel, |i, _, _| i as u8),
        zero_initialize_workgroup_memory: false,
    };
    let pipeline = glsl::PipelineOptions {
        shader_stage: ShaderStage::Compute,
        entry_point: entry(kernel).name.clone(),
        multiview: None,
    };
    let mut text = String::new();
    glsl::Writer::new(&mut text, &kernel.module, info, &options, &pipeline, policies(false))
        .and_then(|mut writer| writer.write())
        .map_err(|e| e.to_string())?;
    Ok(text)
}

/// WGSL again, read back and validated.
pub fn wgsl(kernel: &Expanded, info: &ModuleInfo) -> Result<(), String> {
    let text =
        wgsl::write_string(&kernel.module, info, wgsl::WriterFlags::empty()).map_err(|e| e.to_string())?;
    let module = naga::front::wgsl::parse_str(&text).map_err(|e| e.emit_to_string(&text))?;
    validate_module(&module, kernel).map(|_| ())
}
