//! Every form of every kernel that any program of ours runs goes through naga to each back end, is held to
//! the limits of the portable tier, and is compared with what the host says to it. All kernels are of that
//! tier but for their forms with storage in half, which want f16 and are else as portable, and those on matrix
//! units, which are for Vulkan and Metal.

mod backends;
mod tools;
mod uses;

use std::collections::BTreeSet;

use gyre::gpu::{self, Binding, Expanded, Variant};
use naga::BuiltIn;
use rayon::prelude::*;

use self::{
    backends::BUILDS,
    tools::{Job, Tool},
};

/// Runs `f` on every kernel and its analysis; panics with the first few errors.
fn each<T: Send>(
    what: &str,
    f: impl Fn(&Expanded, &naga::valid::ModuleInfo) -> Result<T, String> + Sync,
) -> Vec<(String, T)> {
    let one = |(variant, kernel): (&Variant, &Expanded)| {
        let result = backends::validate(kernel).and_then(|info| f(kernel, &info));
        result.map(|t| (variant.label(), t)).map_err(|e| format!("{}: {e}", variant.label()))
    };
    let (good, bad): (Vec<_>, Vec<_>) = uses::kernels().par_iter().map(one).partition_map(|r| match r {
        Ok(t) => rayon::iter::Either::Left(t),
        Err(e) => rayon::iter::Either::Right(e),
    });
    let shown: Vec<_> = bad.iter().take(5).map(String::as_str).collect();
    assert!(bad.is_empty(), "{what}: {} of {} fail:\n{}", bad.len(), uses::kernels().len(), shown.join("\n"));
    good
}

/// [`each`] for the trusted and the checked build.
fn each_build<T: Send>(
    what: &str,
    f: impl Fn(&Expanded, &naga::valid::ModuleInfo, bool) -> Result<T, String> + Sync,
) -> Vec<(String, T)> {
    let of = |checked: bool| {
        let form = if checked { "checked" } else { "trusted" };
        let made = each(what, |kernel, info| f(kernel, info, checked));
        made.into_iter().map(move |(label, t)| (format!("{label}, {form}"), t))
    };
    BUILDS.into_iter().flat_map(of).collect()
}

fn arguments(all: &[&str]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

#[test]
fn spirv_is_accepted() {
    let tool = Tool { language: "SPIR-V", program: "spirv-val", package: "spirv-tools", batch: 1 };
    let job = |(label, content)| {
        let arguments = arguments(&["--target-env", "vulkan1.1"]);
        Job { label, content, ending: "spv", arguments }
    };
    let written = each_build("SPIR-V", |kernel, info, checked| {
        Ok((backends::is_matrix(kernel), backends::spirv(kernel, info, checked)?))
    });
    // Validators older than cooperative matrices refuse them all; with those, naga's word must do.
    let known = written.into_iter().filter(|(_, (matrix, _))| !matrix);
    tool.judge(&known.map(|(label, (_, content))| job((label, content))).collect::<Vec<_>>());
}

#[test]
fn hlsl_is_accepted() {
    let tool = Tool { language: "HLSL", program: "glslangValidator", package: "glslang-tools", batch: 1 };
    let job = |(label, (text, entry)): (String, (String, String))| {
        // The HLSL front end runs only where SPIR-V is made of what it reads.
        let arguments = arguments(&["-D", "-V", "--target-env", "vulkan1.1", "-S", "comp", "-e", &entry]);
        Job { label, content: text.into_bytes(), ending: "hlsl", arguments }
    };
    let written = each_build("HLSL", |kernel, info, checked| match backends::is_matrix(kernel) {
        // Naga writes no cooperative matrices for it.
        true => Ok(None),
        false => backends::hlsl(kernel, info, checked).map(Some),
    });
    // This front end knows no loads by type (`Load<half4>`); where there are any, naga's word must do.
    let (half, plain): (Vec<_>, Vec<_>) = written
        .into_iter()
        .filter_map(|(label, made)| Some((label, made?)))
        .partition(|(_, (text, _))| text.contains("half"));
    tool.judge(&plain.into_iter().map(job).collect::<Vec<_>>());
    let in_half = |k: &&Expanded| backends::is_half(k) && !backends::is_matrix(k);
    let kernels = uses::kernels().values().filter(in_half).count();
    assert!(kernels > 0 && half.len() == BUILDS.len() * kernels, "{} of {kernels} in half", half.len());
}

#[test]
fn glsl_is_accepted() {
    let tool = Tool { language: "GLSL ES", program: "glslangValidator", package: "glslang-tools", batch: 32 };
    let job = |(label, text): (String, String)| Job {
        label,
        content: text.into_bytes(),
        ending: "comp",
        arguments: Vec::new(),
    };
    // Its tier 1 knows no f16.
    let glsl = |kernel: &Expanded, info: &naga::valid::ModuleInfo| {
        if backends::is_half(kernel) { Ok(None) } else { backends::glsl(kernel, info).map(Some) }
    };
    let written = each("GLSL ES", glsl).into_iter().filter_map(|(label, text)| Some((label, text?)));
    tool.judge(&written.map(job).collect::<Vec<_>>());
}

#[test]
fn msl_is_written() {
    for version in [(2, 0), (3, 0)] {
        let made = each_build("MSL", |kernel, info, checked| match backends::is_matrix(kernel) {
            // Matrices came with 2.3.
            true if version < (2, 3) => Ok(None),
            _ => backends::msl(kernel, info, version, checked).map(Some),
        });
        assert!(made.iter().filter_map(|(_, text)| text.as_ref()).all(|text| text.contains("kernel void")));
    }
}

#[test]
fn wgsl_is_read_back() {
    each("WGSL", backends::wgsl);
}

#[test]
fn limits_of_the_portable_tier_hold() {
    each("limits", |kernel, _| {
        let count = |kinds: &[Binding]| kernel.bindings.iter().filter(|b| kinds.contains(&b.1)).count();
        let invocations = kernel.workgroup.iter().product::<u32>() as usize;
        for (what, used, limit) in [
            ("storage buffers", count(&[Binding::Read, Binding::ReadWrite]), 8),
            ("uniform buffers", count(&[Binding::Uniform]), 1),
            ("textures", count(&[Binding::Texture]), 16),
            ("storage textures", count(&[Binding::StorageTexture]), 4),
            ("bytes of uniforms", 4 * kernel.params.len(), 64 << 10),
            ("bytes of workgroup memory", kernel.workgroup_bytes as usize, 16 << 10),
            ("invocations a workgroup", invocations, 256),
            ("invocations along z", kernel.workgroup[2] as usize, 64),
            ("entry points", kernel.module.entry_points.len(), 1),
        ] {
            if used > limit {
                return Err(format!("uses {used} {what}, the limit is {limit}"));
            }
        }
        Ok(())
    });
}

/// What the host packs and binds is what the shader declares, in every dispatch.
#[test]
fn uniforms_and_buffers_match_the_host() {
    for u in uses::all() {
        let (label, kernel) = (u.variant.label(), &uses::kernels()[&u.variant]);
        assert_eq!(u.params, kernel.params, "uniform of {label} in {}", u.by);
        assert_eq!(kernel.bindings[0], (0, Binding::Uniform), "{label}");
        let declared: Vec<Binding> = kernel.bindings[1..].iter().map(|b| b.1).collect();
        if let Some(given) = &u.buffers {
            assert_eq!(*given, declared, "buffers of {label} in {}", u.by);
        }
    }
    println!("{} dispatches, {} kernels", uses::all().len(), uses::kernels().len());
}

/// Whether the entry point asks for the grid's size, without which it cannot unfold a grid.
fn unfolds(kernel: &Expanded) -> bool {
    let asks = |a: &naga::FunctionArgument| {
        matches!(a.binding, Some(naga::Binding::BuiltIn(BuiltIn::NumWorkGroups)))
    };
    kernel.module.entry_points[0].function.arguments.iter().any(asks)
}

#[test]
fn grids_are_unfolded() {
    for (variant, kernel) in uses::kernels() {
        // As `shared::grid::invocation` counts; texels are counted in two axes, and tiles by workgroups.
        let texels =
            kernel.bindings.iter().any(|b| matches!(b.1, Binding::Texture | Binding::StorageTexture));
        let wanted = match variant.consts.iter().find(|c| c.0 == "THREADS") {
            Some((_, threads)) => [*threads, 1, 1],
            None if texels => [8, 8, 1],
            None => [64, 1, 1],
        };
        assert_eq!(kernel.workgroup, wanted, "{}", variant.label());
    }
    for u in uses::all().iter().filter(|u| !unfolds(&uses::kernels()[&u.variant])) {
        let threads = u.threads.unwrap_or(64);
        assert!(threads <= 64, "{} has {threads} threads in {}", u.variant.label(), u.by);
    }
    let kernel = crate::context().kernel(&Variant::new("dropout")).expect("compiles");
    let row = 64 * 65_535;
    for threads in [0, 1, 64, 65, row, row + 1, 2 * row, 3 * row + 65, 1 << 30] {
        let [x, y, z] = kernel.groups(threads).map(|n| n as usize);
        assert!((1..=65_535).contains(&x) && (1..=65_535).contains(&y) && z == 1, "{threads}: {x} {y} {z}");
        assert!(64 * x * y >= threads && 64 * x * (y - 1) < threads.max(1), "{threads}: {x} {y}");
        assert!(64 * x * y <= u32::MAX as usize, "{threads}: {x} {y}");
    }
}

#[test]
fn every_shader_is_reached() {
    let reached: BTreeSet<&str> = uses::kernels().keys().map(|v| v.file).collect();
    let kernels = gpu::sources().iter().map(|s| s.0).filter(|name| !name.starts_with("shared/"));
    let missed: Vec<&str> = kernels.filter(|name| !reached.contains(name)).collect();
    assert!(missed.is_empty(), "no program runs {missed:?}");
}
