use burn::{
    backend::{Autodiff, Wgpu, wgpu::WgpuDevice},
    tensor::{Tensor, TensorData, backend::Backend, module::conv2d, ops::ConvOptions},
};

use crate::{Prepared, Shape, numbers};

type Plain = Wgpu<f32, i32>;
type Training = Autodiff<Plain>;

fn tensors<B: Backend<Device = WgpuDevice>>(s: Shape) -> [Tensor<B, 4>; 2] {
    let device = WgpuDevice::DefaultDevice;
    let tensor = |shape: [usize; 4]| {
        let data = TensorData::new(numbers(shape.iter().product()), shape);
        Tensor::<B, 4>::from_data(data, &device)
    };
    let picture = [1, s.channels, s.size, s.size];
    let seen = if s.depthwise { 1 } else { s.channels };
    [tensor(picture), tensor([s.channels, seen, s.kernel, s.kernel])]
}

fn options(s: Shape) -> ConvOptions<2> {
    let groups = if s.depthwise { s.channels } else { 1 };
    ConvOptions::new([1, 1], [s.kernel / 2; 2], [1, 1], groups)
}

pub fn prepare(s: Shape) -> Prepared {
    let device = WgpuDevice::DefaultDevice;
    let [x, w] = tensors::<Plain>(s);
    let forward = move || {
        let _y = conv2d(x.clone(), w.clone(), None, options(s));
        Plain::sync(&device).expect("the device works");
    };
    let device = WgpuDevice::DefaultDevice;
    let [x, w] = tensors::<Training>(s);
    let both = move || {
        let (x, w) = (x.clone().require_grad(), w.clone().require_grad());
        let y = conv2d(x.clone(), w.clone(), None, options(s));
        // Of the sum of y: a gradient of ones.
        let gradients = y.backward();
        let _kept = (x.grad(&gradients), w.grad(&gradients));
        Training::sync(&device).expect("the device works");
    };
    Prepared { name: "burn", forward: Some(Box::new(forward)), both: Some(Box::new(both)) }
}
