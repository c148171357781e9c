use burn::{
    backend::{Autodiff, Wgpu, wgpu::WgpuDevice},
    module::{Module, Param},
    nn::{
        PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        loss::{BinaryCrossEntropyLoss, BinaryCrossEntropyLossConfig},
    },
    optim::{GradientsParams, Optimizer, Sgd, SgdConfig, adaptor::OptimizerAdaptor},
    tensor::{
        Int, Tensor, TensorData,
        activation::relu,
        backend::Backend,
        module::{conv2d, interpolate, max_pool2d},
        ops::{ConvOptions, InterpolateMode, InterpolateOptions},
    },
};

use crate::{
    Computation, Prepared,
    cases::{COLOURS, Case, Conv, Layer, Ops, Pass, RATE, UNet},
};

type Plain = Wgpu<f32, i32>;
type Training = Autodiff<Plain>;

const DEVICE: WgpuDevice = WgpuDevice::DefaultDevice;

pub fn prepare(case: &Case, pass: Pass) -> Prepared {
    Ok(match (*case, pass) {
        (Case::Conv(c), Pass::Forward) => conv_forward(c),
        (Case::Conv(c), Pass::Training) => conv_both(c),
        (Case::UNet(net), Pass::Forward) => unet_forward(net),
        (Case::UNet(net), Pass::Training) => Box::new(Descent::new(net)),
    })
}

fn tensor<B: Backend<Device = WgpuDevice>, const D: usize>(
    numbers: Vec<f32>,
    shape: [usize; D],
) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(numbers, shape), &DEVICE)
}

fn numbers<const D: usize>(tensor: &Tensor<Plain, D>) -> Vec<f32> {
    tensor.to_data().to_vec().expect("floats")
}

/// A computation that leaves tensors; they are kept so that they are computed.
struct Outputs<F> {
    compute: F,
    made: Vec<Tensor<Plain, 4>>,
}

impl<F: FnMut() -> Vec<Tensor<Plain, 4>> + 'static> Outputs<F> {
    fn boxed(compute: F) -> Box<dyn Computation> {
        Box::new(Self { compute, made: Vec::new() })
    }
}

impl<F: FnMut() -> Vec<Tensor<Plain, 4>>> Computation for Outputs<F> {
    fn run(&mut self) {
        self.made = (self.compute)();
        Plain::sync(&DEVICE).expect("the device works");
    }

    fn results(&mut self) -> Vec<Vec<f32>> {
        self.made.iter().map(numbers).collect()
    }
}

fn conv_tensors<B: Backend<Device = WgpuDevice>>(c: Conv) -> [Tensor<B, 4>; 2] {
    [
        tensor(c.picture(), [1, c.channels, c.size, c.size]),
        tensor(c.weights(), [c.channels, c.seen(), c.kernel, c.kernel]),
    ]
}

fn conv_options(c: Conv) -> ConvOptions<2> {
    ConvOptions::new([1, 1], [c.kernel / 2; 2], [1, 1], c.channels / c.seen())
}

fn conv_forward(c: Conv) -> Box<dyn Computation> {
    let [x, w] = conv_tensors::<Plain>(c);
    Outputs::boxed(move || vec![conv2d(x.clone(), w.clone(), None, conv_options(c))])
}

fn conv_both(c: Conv) -> Box<dyn Computation> {
    let [x, w] = conv_tensors::<Training>(c);
    Outputs::boxed(move || {
        let (x, w) = (x.clone().require_grad(), w.clone().require_grad());
        let y = conv2d(x.clone(), w.clone(), None, conv_options(c));
        // Starts from a gradient of ones.
        let gradients = y.backward();
        let of = |v: Tensor<Training, 4>| v.grad(&gradients).expect("it was required");
        vec![y.inner(), of(x), of(w)]
    })
}

/// The U-Net's convolutions in the order in which they are applied.
#[derive(Module, Debug)]
struct Net<B: Backend> {
    convs: Vec<Conv2d<B>>,
}

impl<B: Backend<Device = WgpuDevice>> Net<B> {
    fn new(net: UNet) -> Self {
        let conv = |layer: Layer| {
            let pad = layer.kernel / 2;
            let conv = Conv2dConfig::new([layer.input(), layer.out], [layer.kernel; 2])
                .with_stride([layer.stride; 2])
                .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad));
            let shape = [layer.out, layer.input(), layer.kernel, layer.kernel];
            let weight = Param::from_tensor(tensor(layer.weights(), shape));
            let bias = Param::from_tensor(tensor(layer.biases(), [layer.out]));
            Conv2d { weight, bias: Some(bias), ..conv.init(&DEVICE) }
        };
        Self { convs: net.layers().into_iter().map(conv).collect() }
    }

    fn forward(&self, net: UNet, picture: Tensor<B, 4>) -> Tensor<B, 4> {
        net.build(&mut Walk(self.convs.iter()), picture)
    }
}

/// The convolutions that are still to be applied.
struct Walk<'a, B: Backend>(std::slice::Iter<'a, Conv2d<B>>);

impl<B: Backend> Ops for Walk<'_, B> {
    type Tensor = Tensor<B, 4>;

    fn conv(&mut self, layer: &Layer, mut sources: Vec<Tensor<B, 4>>) -> Tensor<B, 4> {
        let x = if sources.len() == 1 { sources.remove(0) } else { Tensor::cat(sources, 1) };
        let y = self.0.next().expect("one a layer").forward(x);
        if layer.relu { relu(y) } else { y }
    }

    fn max_pool(&mut self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], false)
    }

    fn upsample(&mut self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [_, _, h, w] = x.dims();
        interpolate(x, [2 * h, 2 * w], InterpolateOptions::new(InterpolateMode::Nearest))
    }
}

fn unet_forward(net: UNet) -> Box<dyn Computation> {
    let model = Net::<Plain>::new(net);
    let picture = tensor(net.picture(), [1, COLOURS, net.size, net.size]);
    Outputs::boxed(move || vec![model.forward(net, picture.clone())])
}

/// Training of the U-Net by gradient descent.
struct Descent {
    net: UNet,
    /// The optimiser takes it and gives it back.
    model: Option<Net<Training>>,
    optimizer: OptimizerAdaptor<Sgd<Plain>, Net<Training>, Training>,
    loss: BinaryCrossEntropyLoss<Training>,
    picture: Tensor<Training, 4>,
    target: Tensor<Training, 4, Int>,
}

impl Descent {
    fn new(net: UNet) -> Self {
        let target: Tensor<Training, 4> = tensor(net.target(), [1, 1, net.size, net.size]);
        Self {
            net,
            model: Some(Net::new(net)),
            optimizer: SgdConfig::new().init(),
            loss: BinaryCrossEntropyLossConfig::new().with_logits(true).init(&DEVICE),
            picture: tensor(net.picture(), [1, COLOURS, net.size, net.size]),
            target: target.int(),
        }
    }
}

impl Computation for Descent {
    fn run(&mut self) {
        let model = self.model.take().expect("given back by the last run");
        let logits = model.forward(self.net, self.picture.clone());
        let loss = self.loss.forward(logits, self.target.clone());
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        self.model = Some(self.optimizer.step(f64::from(RATE), model, gradients));
        Training::sync(&DEVICE).expect("the device works");
    }

    fn results(&mut self) -> Vec<Vec<f32>> {
        let convs = self.model.iter().flat_map(|model| &model.convs);
        convs
            .flat_map(|conv| {
                let bias = conv.bias.as_ref().map(|bias| numbers(&bias.val().inner()));
                [Some(numbers(&conv.weight.val().inner())), bias]
            })
            .flatten()
            .collect()
    }
}
