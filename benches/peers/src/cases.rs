//! What is timed: single convolutions, and a small U-Net.

/// A convolution of one picture, stride 1, padded to its size.
#[derive(Clone, Copy, Debug)]
pub struct Conv {
    pub channels: usize,
    pub size: usize,
    pub kernel: usize,
    pub depthwise: bool,
}

/// How a U-Net halves the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Down {
    /// Maximum over 2x2 pixels.
    MaxPool,
    /// A 3x3 convolution of stride 2 with ReLU.
    Strided,
}

/// A U-Net on one picture of 3 channels: two 3x3 convolutions with bias and ReLU a level, nearest
/// upsampling, skips concatenated, a 1x1 convolution to one logit. Without batch norm: meganeura 0.3.0 has
/// none.
#[derive(Clone, Copy, Debug)]
pub struct UNet {
    pub size: usize,
    pub down: Down,
}

#[derive(Clone, Copy, Debug)]
pub enum Case {
    Conv(Conv),
    UNet(UNet),
}

/// What is asked of a case.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pass {
    Forward,
    /// A convolution's output and both its gradients; a network's step of gradient descent.
    Training,
}

pub const CASES: [Case; 7] = [
    Case::Conv(Conv { channels: 64, size: 128, kernel: 3, depthwise: false }),
    Case::Conv(Conv { channels: 16, size: 128, kernel: 3, depthwise: false }),
    Case::Conv(Conv { channels: 128, size: 64, kernel: 3, depthwise: false }),
    Case::Conv(Conv { channels: 64, size: 128, kernel: 1, depthwise: false }),
    Case::Conv(Conv { channels: 64, size: 128, kernel: 3, depthwise: true }),
    Case::UNet(UNet { size: 128, down: Down::MaxPool }),
    Case::UNet(UNet { size: 128, down: Down::Strided }),
];

/// Numbers in +-0.5, a function of seed and place.
pub fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let one = |i: u32| {
        let mut h = (i ^ seed.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
        h = (h ^ (h >> 13)).wrapping_mul(0xc2b2_ae35);
        ((h ^ (h >> 16)) >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count as u32).map(one).collect()
}

impl Case {
    pub fn name(&self) -> String {
        match self {
            Self::Conv(Conv { channels: c, size, kernel: k, depthwise }) => {
                format!("{}{k}x{k} {c}->{c} at {size}", if *depthwise { "depthwise " } else { "" })
            }
            Self::UNet(UNet { size, down }) => {
                let down = if *down == Down::MaxPool { "max pooling" } else { "strided" };
                format!("U-Net {WIDTHS:?} at {size}, {down}")
            }
        }
    }

    pub fn pass_name(&self, pass: Pass) -> &'static str {
        match (pass, self) {
            (Pass::Forward, _) => "forward",
            (Pass::Training, Self::Conv(_)) => "both",
            (Pass::Training, Self::UNet(_)) => "step",
        }
    }

    /// Operations of the convolutions by the direct algorithm.
    pub fn flops(&self, pass: Pass) -> f64 {
        let (forward, gradients) = match self {
            Self::Conv(c) => (c.flops(), 2.0 * c.flops()),
            Self::UNet(net) => {
                let flops: Vec<f64> = net.layers().iter().map(Layer::flops).collect();
                let total: f64 = flops.iter().sum();
                // Nobody asks for the gradient of the picture.
                (total, 2.0 * total - flops[0])
            }
        };
        if pass == Pass::Forward { forward } else { forward + gradients }
    }

    /// What two engines are to agree on, from what they give: outputs as they are; parameters after a step
    /// by how far they moved, which is their gradients times the rate.
    pub fn compared(&self, pass: Pass, results: Vec<Vec<f32>>) -> Vec<Vec<f32>> {
        let Self::UNet(net) = self else { return results };
        if pass == Pass::Forward {
            return results;
        }
        let moved = |(now, (_, then)): (Vec<f32>, (String, Vec<f32>))| {
            now.into_iter().zip(then).map(|(now, then)| now - then).collect()
        };
        results.into_iter().zip(net.parameters()).map(moved).collect()
    }
}

impl Conv {
    /// Input channels that an output channel sees.
    pub fn seen(&self) -> usize {
        if self.depthwise { 1 } else { self.channels }
    }

    pub fn picture(&self) -> Vec<f32> {
        numbers(self.channels * self.size * self.size, 1)
    }

    /// `[out, in, kernel, kernel]`.
    pub fn weights(&self) -> Vec<f32> {
        numbers(self.channels * self.seen() * self.kernel * self.kernel, 2)
    }

    /// The gradient of the output: ones, from which burn starts without further work.
    pub fn dy(&self) -> Vec<f32> {
        vec![1.0; self.channels * self.size * self.size]
    }

    fn flops(&self) -> f64 {
        (2 * self.size * self.size * self.channels * self.seen() * self.kernel * self.kernel) as f64
    }
}

/// Channels of the levels.
const WIDTHS: [usize; 3] = [16, 32, 64];

/// Channels of the picture.
pub const COLOURS: usize = 3;

/// Rate of gradient descent.
pub const RATE: f32 = 0.1;

/// A convolution of the U-Net, padded by half its kernel, with bias.
#[derive(Clone, Debug)]
pub struct Layer {
    pub name: String,
    /// Channels of the sources that it sees concatenated.
    pub sources: Vec<usize>,
    pub out: usize,
    pub kernel: usize,
    pub stride: usize,
    pub relu: bool,
    /// Height and width of its output.
    pub size: usize,
}

impl Layer {
    pub fn input(&self) -> usize {
        self.sources.iter().sum()
    }

    pub fn weight_name(&self) -> String {
        format!("{}.weight", self.name)
    }

    pub fn bias_name(&self) -> String {
        format!("{}.bias", self.name)
    }

    /// `[out, in, kernel, kernel]`, as He et al. draw them, so that activations keep their size.
    pub fn weights(&self) -> Vec<f32> {
        let fan_in = self.input() * self.kernel * self.kernel;
        let range = 2.0 * (6.0 / fan_in as f32).sqrt();
        numbers(self.out * fan_in, self.seed()).into_iter().map(|v| range * v).collect()
    }

    pub fn biases(&self) -> Vec<f32> {
        numbers(self.out, self.seed() + 1).into_iter().map(|v| 0.1 * v).collect()
    }

    fn seed(&self) -> u32 {
        self.name.bytes().fold(0, |h, b| 31 * (h % 0xff_ffff) + u32::from(b))
    }

    fn flops(&self) -> f64 {
        (2 * self.size * self.size * self.out * self.input() * self.kernel * self.kernel) as f64
    }
}

/// What an engine builds the U-Net of.
pub trait Ops {
    type Tensor: Clone;
    fn conv(&mut self, layer: &Layer, sources: Vec<Self::Tensor>) -> Self::Tensor;
    /// 2x2 pixels, stride 2.
    fn max_pool(&mut self, x: Self::Tensor) -> Self::Tensor;
    /// Nearest pixels, twice the size.
    fn upsample(&mut self, x: Self::Tensor) -> Self::Tensor;
}

impl UNet {
    /// Numbers in 0 to 1.
    pub fn picture(&self) -> Vec<f32> {
        numbers(COLOURS * self.size * self.size, 1).into_iter().map(|v| v + 0.5).collect()
    }

    /// A disc of ones, for a loss of binary cross-entropy. With a target of noise the pixels' gradients
    /// cancel, and one ReLU that rounding turns on in one engine alone shows in the sums.
    pub fn target(&self) -> Vec<f32> {
        let from_centre = |i: usize| (i as f32 + 0.5) / self.size as f32 - 0.5;
        let inside = |i: usize| from_centre(i / self.size).hypot(from_centre(i % self.size)) < 0.25;
        (0..self.size * self.size).map(|i| f32::from(inside(i))).collect()
    }

    /// From the picture to the logits.
    pub fn build<O: Ops>(&self, ops: &mut O, picture: O::Tensor) -> O::Tensor {
        let layer = |name: String, sources: &[usize], out: usize, size: usize| Layer {
            name,
            sources: sources.to_vec(),
            out,
            kernel: 3,
            stride: 1,
            relu: true,
            size,
        };
        let (mut x, mut channels, mut size) = (picture, COLOURS, self.size);
        let mut skips = Vec::new();
        for (level, width) in WIDTHS.into_iter().enumerate() {
            if level > 0 {
                skips.push((x.clone(), channels));
                size /= 2;
                x = match self.down {
                    Down::MaxPool => ops.max_pool(x),
                    Down::Strided => {
                        let down = layer(format!("down{level}"), &[channels], channels, size);
                        ops.conv(&Layer { stride: 2, ..down }, vec![x])
                    }
                };
            }
            x = ops.conv(&layer(format!("enc{level}.a"), &[channels], width, size), vec![x]);
            x = ops.conv(&layer(format!("enc{level}.b"), &[width], width, size), vec![x]);
            channels = width;
        }
        for (level, (skip, width)) in skips.into_iter().enumerate().rev() {
            x = ops.upsample(x);
            size *= 2;
            x = ops.conv(&layer(format!("dec{level}.a"), &[width, channels], width, size), vec![skip, x]);
            x = ops.conv(&layer(format!("dec{level}.b"), &[width], width, size), vec![x]);
            channels = width;
        }
        let head = layer("head".into(), &[channels], 1, size);
        ops.conv(&Layer { kernel: 1, relu: false, ..head }, vec![x])
    }

    /// The convolutions in the order in which they are applied.
    pub fn layers(&self) -> Vec<Layer> {
        let mut layers = Layers(Vec::new());
        self.build(&mut layers, ());
        layers.0
    }

    /// Names and numbers, layer by layer.
    pub fn parameters(&self) -> Vec<(String, Vec<f32>)> {
        let of = |l: Layer| [(l.weight_name(), l.weights()), (l.bias_name(), l.biases())];
        self.layers().into_iter().flat_map(of).collect()
    }
}

/// Computes nothing and keeps the layers.
struct Layers(Vec<Layer>);

impl Ops for Layers {
    type Tensor = ();

    fn conv(&mut self, layer: &Layer, _: Vec<()>) {
        self.0.push(layer.clone());
    }

    fn max_pool(&mut self, (): ()) {}

    fn upsample(&mut self, (): ()) {}
}
