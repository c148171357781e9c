//! The segmenter in a host's program: the host's device, textures, encoder and callbacks.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use gyre::{
    gpu::Context,
    graph::{Shape, Weights},
    infer::{Predictor, Segmenter, Settings, check::resample, predictor},
    models::{Model, Network},
};
use wgpu::TextureFormat as Format;

/// Height and width that the networks take.
const SIZE: [usize; 2] = [24, 32];

/// Parameters that make the logits.
const LAST: &str = "Conv_1x1.weight";
const LAST_BIAS: &str = "Conv_1x1.bias";

/// A host's device: with all that the engine asks for, or with nothing but WebGPU's defaults.
fn host(portable: bool) -> (wgpu::Device, wgpu::Queue) {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let adapter = pollster::block_on(instance.request_adapter(&Default::default())).unwrap();
    let mut descriptor = wgpu::DeviceDescriptor::default();
    if !portable {
        descriptor.required_features = Context::required_features(&adapter);
        descriptor.required_limits = Context::required_limits(&adapter);
    }
    pollster::block_on(adapter.request_device(&descriptor)).unwrap()
}

/// Everything that a test of one model needs.
struct Scene {
    context: Arc<Context>,
    model: Model,
    weights: Arc<Weights>,
    predictor: Predictor,
}

impl Scene {
    fn new(portable: bool, channels: usize, classes: usize) -> Self {
        let (device, queue) = host(portable);
        let context = Arc::new(Context::from_device(device, queue));
        let model = Model { widths: vec![4, 8], ..Model::new(Network::UNet, channels, classes) };
        let (graph, ..) = predictor::graph(&model, Shape::new(1, SIZE[0], SIZE[1], channels)).unwrap();
        let weights = Arc::new(Weights::new(&context, &graph, 7).unwrap());
        // Random logits hardly differ from pixel to pixel: spread them.
        let (name, _, last) = weights.export().unwrap().into_iter().find(|p| p.0 == LAST).unwrap();
        weights.set(&name, &last.iter().map(|v| 100.0 * v).collect::<Vec<_>>()).unwrap();
        let predictor = Predictor::new(&model, &weights, SIZE);
        let mut scene = Self { context, model, weights, predictor };
        scene.level();
        scene
    }

    /// Makes each class as probable as another in the mean of some picture.
    fn level(&mut self) {
        let Model { in_channels, out_channels: classes, .. } = self.model;
        let picture: Vec<f32> = rgb(SIZE, 0.5).iter().flat_map(|c| vec![luma(*c); in_channels]).collect();
        self.weights.set(LAST_BIAS, &vec![0.0; classes]).unwrap();
        let probabilities = self.predictor.predict(&picture, 1).unwrap();
        let mut bias = vec![0.0; classes];
        for (i, p) in probabilities.iter().enumerate() {
            let other = if classes == 1 { 1.0 - p } else { 1.0 };
            bias[i % classes] -= (p.max(1e-30) / other.max(1e-30)).ln() / (SIZE[0] * SIZE[1]) as f32;
        }
        self.weights.set(LAST_BIAS, &bias).unwrap();
    }

    fn segmenter(&self, settings: Settings) -> Segmenter {
        Segmenter::new(&self.model, &self.weights, SIZE, settings).unwrap()
    }

    fn texture(&self, [h, w]: [usize; 2], format: Format, usage: wgpu::TextureUsages) -> wgpu::Texture {
        self.context.device.create_texture(&wgpu::TextureDescriptor {
            label: None,
            size: extent([h, w]),
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format,
            usage,
            view_formats: &[],
        })
    }

    fn picture(&self, size: [usize; 2], format: Format, bytes: &[u8]) -> wgpu::Texture {
        let usage = wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST;
        let texture = self.texture(size, format, usage);
        let layout = wgpu::TexelCopyBufferLayout {
            offset: 0,
            bytes_per_row: Some((bytes.len() / size[0]) as u32),
            rows_per_image: None,
        };
        self.context.queue.write_texture(texture.as_image_copy(), bytes, layout, extent(size));
        texture
    }

    fn mask(&self, size: [usize; 2]) -> wgpu::Texture {
        let usage = wgpu::TextureUsages::STORAGE_BINDING | wgpu::TextureUsages::COPY_SRC;
        self.texture(size, Format::Rgba8Unorm, usage)
    }

    fn read(&self, texture: &wgpu::Texture) -> Vec<[u8; 4]> {
        let (w, h) = (texture.width(), texture.height());
        let pitch = (4 * w).next_multiple_of(256);
        let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
        let buffer = self.context.buffer("mask", u64::from(pitch * h), usage).unwrap();
        let mut encoder = self.context.device.create_command_encoder(&Default::default());
        let layout =
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(pitch), rows_per_image: None };
        let to = wgpu::TexelCopyBufferInfo { buffer: &buffer, layout };
        encoder.copy_texture_to_buffer(texture.as_image_copy(), to, texture.size());
        self.context.queue.submit([encoder.finish()]);
        let bytes = self.context.read(&buffer, 0, buffer.size()).unwrap();
        let rows = bytes.chunks_exact(pitch as usize);
        rows.flat_map(|row| row[..4 * w as usize].as_chunks::<4>().0.to_vec()).collect()
    }

    /// Records each pair into one encoder and submits it once.
    fn run(&self, segmenter: &Segmenter, pairs: &[(&wgpu::Texture, &wgpu::Texture)]) {
        let mut encoder = self.context.device.create_command_encoder(&Default::default());
        for (picture, mask) in pairs {
            let view = |texture: &wgpu::Texture| texture.create_view(&Default::default());
            let bound = segmenter.bind(&view(picture), &view(mask)).unwrap();
            segmenter.record(&mut encoder, &bound);
        }
        self.context.queue.submit([encoder.finish()]);
    }

    /// Probabilities of a picture (values as the network takes them) at the network's size.
    fn probabilities(&mut self, picture: &[f32], size: [usize; 2]) -> Vec<f32> {
        let picture = resample(picture, size, SIZE, self.model.in_channels);
        self.predictor.predict(&picture, 1).unwrap()
    }
}

fn extent([h, w]: [usize; 2]) -> wgpu::Extent3d {
    wgpu::Extent3d { width: w as u32, height: h as u32, depth_or_array_layers: 1 }
}

/// RGB bytes with rings and slopes; `phase` tells pictures apart.
fn rgb([h, w]: [usize; 2], phase: f32) -> Vec<[u8; 3]> {
    let at = |i: usize| {
        let (y, x) = ((i / w) as f32 / h as f32, (i % w) as f32 / w as f32);
        let ring = ((x - 0.4).hypot(y - 0.6) * 14.0 + phase).sin();
        [ring, (5.0 * x + phase).cos(), (4.0 * y - phase).sin()].map(|v| (127.5 + 127.5 * v) as u8)
    };
    (0..h * w).map(at).collect()
}

fn rgba(rgb: &[[u8; 3]]) -> Vec<u8> {
    rgb.iter().flat_map(|[r, g, b]| [*r, *g, *b, 77]).collect()
}

fn luma([r, g, b]: [u8; 3]) -> f32 {
    (0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)) / 255.0
}

/// The middle one, so that both classes are met.
fn median(values: &[f32]) -> f32 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    sorted[sorted.len() / 2]
}

/// A class may differ where the probabilities are this close.
const CLOSE: f32 = 1e-3;

/// Holds a mask of `size` to probabilities at the network's size.
fn check(mask: &[[u8; 4]], size: [usize; 2], probabilities: &[f32], threshold: f32) {
    let classes = probabilities.len() / (SIZE[0] * SIZE[1]);
    let wanted = resample(probabilities, SIZE, size, classes);
    assert_eq!(mask.len() * classes, wanted.len());
    let mut seen = vec![0; classes.max(2)];
    let mut clear = 0;
    for (got, want) in mask.iter().zip(wanted.chunks_exact(classes)) {
        let class = if classes == 1 { usize::from(got[0] / 255) } else { usize::from(got[0]) };
        seen[class] += 1;
        let (probability, rival) = match want {
            [p] => (*p, if class == 1 { threshold - p } else { p - threshold }),
            _ => (want[class], want.iter().fold(0f32, |a, b| a.max(*b)) - want[class]),
        };
        assert!(rival <= CLOSE, "class {class} for {want:?}, threshold {threshold}");
        let green = f32::from(got[1]) / 255.0;
        assert!((green - probability).abs() < 0.51 / 255.0 + CLOSE, "{green} for {want:?}");
        assert!(classes > 1 || matches!(got[0], 0 | 255), "red is {}", got[0]);
        assert_eq!(got[2..], [0, 255]);
        clear += usize::from(classes > 1 || (want[0] - threshold).abs() > CLOSE);
    }
    assert!(seen.iter().filter(|n| **n > mask.len() / 10).count() > 1, "classes {seen:?}");
    assert!(clear > mask.len() / 2, "only {clear} of {} are clear", mask.len());
}

#[test]
fn formats_agree_with_the_predictor() {
    let mut scene = Scene::new(true, 1, 1);
    let colours = rgb(SIZE, 0.0);
    let gray: Vec<f32> = colours.iter().map(|c| luma(*c)).collect();
    let red: Vec<f32> = colours.iter().map(|c| f32::from(c[0]) / 255.0).collect();
    // Multiples of 1 / 256 are exact in f16, and differ from bytes over 255 by less than that.
    let half = |v: u8| ((f32::from(v.max(1)) / 256.0).to_bits() >> 13) as u16 - (112 << 10);
    let halves: Vec<u8> =
        colours.iter().flat_map(|c| [c[0], c[1], c[2], 255].map(half)).flat_map(u16::to_le_bytes).collect();
    let from_halves: Vec<f32> = gray.iter().map(|v| v * 255.0 / 256.0).collect();
    let reds: Vec<u8> = colours.iter().map(|c| c[0]).collect();
    for (format, linear, bytes, values) in [
        (Format::Rgba8Unorm, false, rgba(&colours), &gray),
        (Format::Rgba8UnormSrgb, true, rgba(&colours), &gray),
        (Format::Rgba16Float, false, halves, &from_halves),
        (Format::R8Unorm, false, reds, &red),
    ] {
        let probabilities = scene.probabilities(values, SIZE);
        let threshold = median(&probabilities);
        let segmenter = scene.segmenter(Settings { threshold, linear, ..Settings::default() });
        let (picture, mask) = (scene.picture(SIZE, format, &bytes), scene.mask(SIZE));
        scene.run(&segmenter, &[(&picture, &mask)]);
        check(&scene.read(&mask), SIZE, &probabilities, threshold);
    }
}

#[test]
fn colours_classes_and_normalisation() {
    let mut scene = Scene::new(true, 3, 5);
    let settings = Settings { mean: [0.4, 0.5, 0.6], std: [0.1, 0.2, 0.3], ..Settings::default() };
    let colours = rgb(SIZE, 1.0);
    let normalised =
        |rgb: &[u8; 3]| [0, 1, 2].map(|c| (f32::from(rgb[c]) / 255.0 - settings.mean[c]) / settings.std[c]);
    let values: Vec<f32> = colours.iter().flat_map(normalised).collect();
    let probabilities = scene.probabilities(&values, SIZE);
    let segmenter = scene.segmenter(settings);
    let (picture, mask) = (scene.picture(SIZE, Format::Rgba8Unorm, &rgba(&colours)), scene.mask(SIZE));
    scene.run(&segmenter, &[(&picture, &mask)]);
    check(&scene.read(&mask), SIZE, &probabilities, 0.0);
}

#[test]
fn pictures_and_masks_of_other_sizes() {
    let mut scene = Scene::new(true, 1, 1);
    for (size, mask_size) in [([61, 45], [61, 45]), ([7, 90], [13, 200]), ([300, 3], [24, 32])] {
        let colours = rgb(size, 2.0);
        let gray: Vec<f32> = colours.iter().map(|c| luma(*c)).collect();
        let probabilities = scene.probabilities(&gray, size);
        let threshold = median(&probabilities);
        let segmenter = scene.segmenter(Settings { threshold, ..Settings::default() });
        let picture = scene.picture(size, Format::Rgba8Unorm, &rgba(&colours));
        let mask = scene.mask(mask_size);
        scene.run(&segmenter, &[(&picture, &mask)]);
        check(&scene.read(&mask), mask_size, &probabilities, threshold);
    }
}

#[test]
fn two_recordings_before_one_submit() {
    let mut scene = Scene::new(false, 1, 1);
    let sizes = [SIZE, [40, 50]];
    let colours = [rgb(sizes[0], 0.0), rgb(sizes[1], 3.0)];
    let probabilities = [0, 1].map(|i| {
        let gray: Vec<f32> = colours[i].iter().map(|c| luma(*c)).collect();
        scene.probabilities(&gray, sizes[i])
    });
    let threshold = median(&probabilities.concat());
    let segmenter = scene.segmenter(Settings { threshold, ..Settings::default() });
    let pictures = [0, 1].map(|i| scene.picture(sizes[i], Format::Rgba8Unorm, &rgba(&colours[i])));
    let masks = sizes.map(|size| scene.mask(size));
    scene.run(&segmenter, &[(&pictures[0], &masks[0]), (&pictures[1], &masks[1])]);
    for i in [0, 1] {
        check(&scene.read(&masks[i]), sizes[i], &probabilities[i], threshold);
    }
}

#[test]
fn callbacks_stay_the_hosts() {
    let (device, queue) = host(true);
    let (errors, losses) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (error, loss) = (errors.clone(), losses.clone());
    device.on_uncaptured_error(Arc::new(move |_| {
        error.fetch_add(1, Ordering::SeqCst);
    }));
    device.set_device_lost_callback(move |_, _| {
        loss.fetch_add(1, Ordering::SeqCst);
    });
    let context = Arc::new(Context::from_device(device.clone(), queue));
    let model = Model { widths: vec![4, 8], ..Model::new(Network::UNet, 1, 1) };
    let (graph, ..) = predictor::graph(&model, Shape::new(1, SIZE[0], SIZE[1], 1)).unwrap();
    let weights = Arc::new(Weights::new(&context, &graph, 0).unwrap());
    let predictor = Predictor::new(&model, &weights, SIZE);
    let scene = Scene { context, model, weights, predictor };
    let segmenter = scene.segmenter(Settings::default());
    let picture = scene.picture(SIZE, Format::Rgba8Unorm, &rgba(&rgb(SIZE, 0.0)));
    let mask = scene.mask(SIZE);
    scene.run(&segmenter, &[(&picture, &mask)]);
    scene.context.wait().unwrap();

    // A mask without storage is an error of the call, not one for the host's handler.
    let view = |texture: &wgpu::Texture| texture.create_view(&Default::default());
    let refused = segmenter.bind(&view(&picture), &view(&picture)).unwrap_err().to_string();
    assert!(refused.contains("embed/mask"), "{refused}");
    assert_eq!(errors.load(Ordering::SeqCst), 0);

    // The host's own mistake.
    let size = device.limits().max_buffer_size + 4;
    let usage = wgpu::BufferUsages::VERTEX;
    let too_large = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    drop(device.create_buffer(&too_large));
    assert_eq!(errors.load(Ordering::SeqCst), 1);

    assert_eq!(losses.load(Ordering::SeqCst), 0);
    device.destroy();
    // A lost device has nothing to wait for; only the callback matters.
    let _ = device.poll(wgpu::PollType::wait_indefinitely());
    assert_eq!(losses.load(Ordering::SeqCst), 1);
}

#[test]
fn unfit_models_and_settings_are_refused() {
    let scene = Scene::new(true, 2, 1);
    let new = |size, settings| Segmenter::new(&scene.model, &scene.weights, size, settings).err().unwrap();
    assert!(new(SIZE, Settings::default()).to_string().contains("2 channels"));
    let scene = Scene::new(true, 1, 1);
    let new = |size, settings| Segmenter::new(&scene.model, &scene.weights, size, settings).err().unwrap();
    assert!(new([25, 32], Settings::default()).to_string().contains("multiples of 2"));
    assert!(new(SIZE, Settings { std: [0.0; 3], ..Settings::default() }).to_string().contains("std"));
    assert!(new(SIZE, Settings { threshold: 1.5, ..Settings::default() }).to_string().contains("1.5"));
}
