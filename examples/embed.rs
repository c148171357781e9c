//! gyre inside a program that owns its own device: the program draws a picture into a texture, the engine
//! turns it into a mask texture, all in the program's own command encoder, without a copy to the CPU.
//!
//! `cargo run --example embed [weights.safetensors]`; without weights the network is random, and so is the
//! mask. The file must belong to the model that `main` names.

use std::{error::Error, sync::Arc};

use gyre::{
    gpu::Context,
    graph::{Shape, Weights},
    infer::{Segmenter, Settings, predictor},
    io::weights,
    models::{Model, Network},
    nn::Scheme,
};

/// Height and width of the network's input; pictures and masks may have any size.
const INPUT: [usize; 2] = [64, 64];
const PICTURE: [u32; 2] = [320, 200];
const MASK: [u32; 2] = [64, 24];

/// The host's own drawing: two discs and a box on a slope.
const SCENE: &str = "
@vertex fn corner(@builtin(vertex_index) i: u32) -> @builtin(position) vec4<f32> {
    return vec4(f32(i & 1u) * 4.0 - 1.0, f32(i & 2u) * 2.0 - 1.0, 0.0, 1.0);
}
@fragment fn scene(@builtin(position) at: vec4<f32>) -> @location(0) vec4<f32> {
    let box = all(abs(at.xy - vec2(250.0, 130.0)) < vec2(40.0, 30.0));
    let disc = distance(at.xy, vec2(90.0, 80.0)) < 50.0 || distance(at.xy, vec2(220.0, 50.0)) < 25.0;
    return vec4(select(vec3(0.1 + at.x / 2000.0), vec3(0.9, 0.8, 0.7), box || disc), 1.0);
}";

fn main() -> Result<(), Box<dyn Error>> {
    // The host's instance, adapter and device, as any graphics program makes them. Features and limits of
    // the engine are wishes: a device with defaults does too.
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))?;
    let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
        required_features: Context::required_features(&adapter),
        required_limits: Context::required_limits(&adapter),
        ..Default::default()
    }))?;
    println!("{}", adapter.get_info().name);

    // The engine as a guest on that device: a model, its weights, a segmenter.
    let context = Arc::new(Context::from_device(device.clone(), queue.clone()));
    let model = Model { widths: vec![16, 32, 64], scheme: Scheme::He, ..Model::new(Network::UNet, 1, 1) };
    let (graph, ..) = predictor::graph(&model, Shape::new(1, INPUT[0], INPUT[1], model.in_channels))?;
    let parameters = Arc::new(Weights::new(&context, &graph, 1)?);
    if let Some(path) = std::env::args().nth(1) {
        let (tensors, _) = weights::read(&path)?;
        for param in &parameters.params {
            let tensor = tensors.get(&param.name).ok_or_else(|| format!("{path} lacks {}", param.name))?;
            parameters.set(&param.name, &tensor.data)?;
        }
    }
    let segmenter = Segmenter::new(&model, &parameters, INPUT, Settings::default())?;

    // The host's textures, bound once. Values are sRGB in a plain format, as in picture files; a host that
    // keeps linear light, or sRGB formats, sets `Settings::linear`.
    use wgpu::TextureUsages as Usage;
    let texture = |[width, height]: [u32; 2], usage| {
        device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage,
            view_formats: &[],
        })
    };
    let picture = texture(PICTURE, Usage::RENDER_ATTACHMENT | Usage::TEXTURE_BINDING);
    // COPY_SRC only for the printing below; a host that draws the mask wants TEXTURE_BINDING.
    let mask = texture(MASK, Usage::STORAGE_BINDING | Usage::COPY_SRC);
    let picture_view = picture.create_view(&Default::default());
    let bound = segmenter.bind(&picture_view, &mask.create_view(&Default::default()))?;

    // A frame: the host draws, the engine segments, one encoder, one submission.
    let scene = pipeline(&device);
    let mut encoder = device.create_command_encoder(&Default::default());
    {
        let attachment = wgpu::RenderPassColorAttachment {
            view: &picture_view,
            depth_slice: None,
            resolve_target: None,
            ops: wgpu::Operations::default(),
        };
        let mut pass = encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
            color_attachments: &[Some(attachment)],
            ..Default::default()
        });
        pass.set_pipeline(&scene);
        pass.draw(0..3, 0..1);
    }
    segmenter.record(&mut encoder, &bound);

    // A real host would now draw the mask over its picture. This one copies it out, to print it.
    let pitch = (4 * MASK[0]).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
    let copy = context.buffer("copy of the mask", u64::from(pitch * MASK[1]), usage)?;
    let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(pitch), rows_per_image: None };
    let to = wgpu::TexelCopyBufferInfo { buffer: &copy, layout };
    encoder.copy_texture_to_buffer(mask.as_image_copy(), to, mask.size());
    queue.submit([encoder.finish()]);
    print(&context.read(&copy, 0, copy.size())?, pitch as usize);
    Ok(())
}

/// Red is 1 where the probability reached the threshold, green the probability itself.
fn print(bytes: &[u8], pitch: usize) {
    let rows: Vec<_> =
        bytes.chunks_exact(pitch).map(|row| row[..4 * MASK[0] as usize].as_chunks::<4>().0).collect();
    let texels = || rows.iter().flat_map(|row| row.iter());
    let inside = texels().filter(|t| t[0] > 0).count();
    let (least, most) = texels().fold((255, 0), |(a, b), t| (a.min(t[1]), b.max(t[1])));
    for row in &rows {
        let shade = |t: &[u8; 4]| {
            let range = usize::from(most - least).max(1);
            char::from(b" .:-=+*#%@"[9 * usize::from(t[1] - least) / range])
        };
        println!("{}", row.iter().map(shade).collect::<String>());
    }
    let (share, percent) = (|v: u8| f32::from(v) / 255.0, 100 * inside / texels().count());
    println!("{percent} % of the mask, probabilities from {:.2} to {:.2}", share(least), share(most));
}

fn pipeline(device: &wgpu::Device) -> wgpu::RenderPipeline {
    let source = wgpu::ShaderSource::Wgsl(SCENE.into());
    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor { label: None, source });
    let stage = wgpu::PipelineCompilationOptions::default;
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some("scene"),
        layout: None,
        vertex: wgpu::VertexState {
            module: &module,
            entry_point: None,
            compilation_options: stage(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState::default(),
        depth_stencil: None,
        multisample: wgpu::MultisampleState::default(),
        fragment: Some(wgpu::FragmentState {
            module: &module,
            entry_point: None,
            compilation_options: stage(),
            targets: &[Some(wgpu::TextureFormat::Rgba8Unorm.into())],
        }),
        multiview_mask: None,
        cache: None,
    })
}
