//! Everything that runs a kernel, and the kernels that are run, each form once.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use gyre::{
    bench,
    gpu::{self, Binding, Context, Expanded, Matrices, Select, Variant},
    graph::{Access, Graph, Plan, Shape},
    infer::{embedded, predictor},
    loss::{ClassWeighting, Link, LossOptions, LossSpec, Penalty, PenaltyForm, Scope},
    models::{Encoder, Model, Network},
    nn::Padding,
    ops::{
        Act, Activation, BatchNorm, Conv2d, Conv2dInt8, ConvTranspose2d, Geometry, Linear,
        check::Sample,
        samples::{conv_transpose2d, conv2d, conv2d_int8, samples},
    },
    optim::{self, Adam, Method, NAdam, OptimSpec, Scaling, Sgd},
    train::{Augmentation, StepOptions, training_graph},
};
use rayon::prelude::*;

/// One dispatch of some program.
pub struct Use {
    /// The program, for messages.
    pub by: Arc<str>,
    pub variant: Variant,
    /// Members of the uniform as the host packs them.
    pub params: Vec<&'static str>,
    /// How the host binds the buffers after the uniform; unknown beside plans.
    pub buffers: Option<Vec<Binding>>,
    /// Invocations; unknown beside plans.
    pub threads: Option<usize>,
}

/// Uses that differ in more than their size; programs have millions between them.
type Known = BTreeMap<(Variant, Vec<&'static str>, Option<Vec<Binding>>), Use>;

/// Keeps the largest of all that are else alike.
fn learn(known: &mut Known, new: Use) {
    let key = (new.variant.clone(), new.params.clone(), new.buffers.clone());
    match known.get_mut(&key) {
        Some(old) if old.threads >= new.threads => {}
        Some(old) => *old = new,
        None => {
            known.insert(key, new);
        }
    }
}

/// All dispatches of all programs below, on software and other devices.
pub fn all() -> &'static [Use] {
    static USES: OnceLock<Vec<Use>> = OnceLock::new();
    USES.get_or_init(|| {
        let of_program = |(name, graph): (String, Graph)| {
            let mut known = Known::new();
            devices()
                .iter()
                .for_each(|d| of_plan(&name, &graph, d).into_iter().for_each(|u| learn(&mut known, u)));
            known
        };
        let joined = |mut known: Known, others: Known| {
            others.into_values().for_each(|u| learn(&mut known, u));
            known
        };
        let known = programs().into_par_iter().map(of_program).reduce(Known::new, joined);
        let mut uses: Vec<Use> = known.into_values().collect();
        uses.extend(optimisers().iter().flat_map(of_optimiser));
        uses.extend(parts("ceilings", bench::kernels()));
        uses.extend(parts("a host's textures", embedded::kernels()));
        uses
    })
}

/// The source of every form of every kernel in [`all`].
pub fn kernels() -> &'static BTreeMap<Variant, Expanded> {
    static KERNELS: OnceLock<BTreeMap<Variant, Expanded>> = OnceLock::new();
    KERNELS.get_or_init(|| {
        let mut variants: Vec<&Variant> = all().iter().map(|u| &u.variant).collect();
        variants.sort();
        variants.dedup();
        let expand = |v: &Variant| (v.clone(), gpu::expand(v).unwrap_or_else(|e| panic!("{e}")));
        variants.into_par_iter().map(expand).collect()
    })
}

/// Plans may differ between the processor, a GPU, and GPUs with matrix units. Nothing runs here, so one adapter
/// stands for all.
fn devices() -> &'static [Context; 4] {
    static DEVICES: OnceLock<[Context; 4]> = OnceLock::new();
    DEVICES.get_or_init(|| {
        use wgpu::DeviceType::{Cpu, DiscreteGpu, IntegratedGpu};
        [(Cpu, None), (DiscreteGpu, None), (DiscreteGpu, Some(16)), (IntegratedGpu, Some(8))].map(
            |(kind, side)| {
                let mut context =
                    Context::portable(&Select::parse(None)).expect("a Vulkan, Metal or DX12 driver");
                context.info.device_type = kind;
                context.tier.f16 = true;
                context.matrices = side.map(|side| Matrices { side, subgroup: 32 });
                context
            },
        )
    })
}

fn of_plan(name: &str, graph: &Graph, device: &Context) -> Vec<Use> {
    let by: Arc<str> = name.into();
    let binding = |access: &Access| match access {
        Access::Read(_) => Binding::Read,
        Access::Write(_) => Binding::ReadWrite,
    };
    let one = |d: &gpu::Dispatch<Access>| Use {
        by: by.clone(),
        variant: d.variant.clone(),
        params: d.params.iter().map(|p| p.0).collect(),
        buffers: Some(d.buffers.iter().map(binding).collect()),
        threads: Some(d.threads),
    };
    let choices = graph.all_choices(&device.capabilities());
    let plans =
        choices.iter().map(|c| Plan::with(graph, device, c).unwrap_or_else(|e| panic!("{name}: {e}")));
    plans.flat_map(|plan| plan.passes.iter().map(|p| one(&p.dispatch)).collect::<Vec<_>>()).collect()
}

fn of_optimiser(spec: &OptimSpec) -> Vec<Use> {
    parts(&format!("{spec:?}"), optim::kernels(spec))
}

/// Kernels that are run beside a plan.
fn parts(by: &str, kernels: Vec<(Variant, Vec<&'static str>)>) -> Vec<Use> {
    let by: Arc<str> = by.into();
    let one = |(variant, params)| Use { by: by.clone(), variant, params, buffers: None, threads: None };
    kernels.into_iter().map(one).collect()
}

/// Every graph that is looked at, with a name.
fn programs() -> Vec<(String, Graph)> {
    let mut all = Vec::new();
    for sample in samples().into_iter().chain(activations()) {
        let name = format!("{} {}", sample.op.name(), sample.label);
        for (sample, how) in [(sample.halved(), ", in half"), (sample, "")] {
            let graphs = sample.graphs().unwrap_or_else(|e| panic!("{name}: {e}"));
            all.extend(graphs.into_iter().map(|g| (format!("{name}{how}"), g)));
        }
    }
    for model in models() {
        let m = model.multiple();
        let x = Shape::new(2, 2 * m, 3 * m, model.in_channels);
        let graph = predictor::graph(&model, x).unwrap_or_else(|e| panic!("{model:?}: {e}")).0;
        let mut half = graph.clone();
        half.mixed();
        all.push((format!("prediction in half by {model:?}"), half));
        all.push((format!("prediction by {model:?}"), graph));
        // The losses are the same for all networks and widths.
        let losses = losses(model.out_channels);
        let all_losses = model.network == Network::UNet && model.widths.len() == 2;
        for loss in losses.iter().take(if all_losses { losses.len() } else { 1 }) {
            for mixed in [false, true] {
                let name = format!("training of {model:?} with {loss:?}, mixed: {mixed}");
                let training = training_graph(
                    &model,
                    loss,
                    x,
                    StepOptions {
                        mixed,
                        recompute: mixed,
                        augment: mixed.then_some(Augmentation {
                            bend: Some(2.0),
                            blur: Some(1.5),
                            median: true,
                        }),
                    },
                );
                all.push((name.clone(), training.unwrap_or_else(|e| panic!("{name}: {e}")).graph));
            }
        }
    }
    all
}

/// Every activation, in every operator that has one.
fn activations() -> Vec<Sample> {
    let x = Shape::new(2, 5, 7, 6);
    let c = Shape::channels(6);
    let geometry = Geometry::square(3, 1, 1);
    let of = |act: Act| {
        let norm = BatchNorm { act, ..BatchNorm::new(true, 1e-5, 0.1) };
        let convolution = Conv2d { bias: true, act, ..Conv2d::new(geometry) };
        let transposed = ConvTranspose2d { bias: true, act, ..ConvTranspose2d::new(geometry, [0, 0]) };
        let linear = Linear { bias: true, act };
        let products = [
            conv2d(act.name(), convolution, &[x], 9),
            conv_transpose2d(act.name(), transposed, x, 9),
            Sample::new(act.name(), linear, &[x, Shape::new(1, 1, 6, 9), Shape::channels(9)]).params(&[1, 2]),
        ];
        let mut all = vec![
            Sample::new(act.name(), Activation::new(act), &[x]),
            Sample::new(act.name(), norm, &[x, c, c, c, c]).params(&[1, 2]).constants(&[3, 4]),
        ];
        let integers = Conv2dInt8 { act, ..Conv2dInt8::new(geometry, 9, &[-128]) };
        all.push(conv2d_int8(act.name(), integers, &[x]));
        // Only prediction joins the others with a product.
        all.extend(products.map(|s| if act.known_by_output() { s } else { s.forward_only() }));
        all
    };
    Act::ALL.into_iter().flat_map(of).collect()
}

/// All networks, narrow and at their published widths.
fn models() -> Vec<Model> {
    let mut all = Vec::new();
    for (network, classes) in Network::U_NETS.into_iter().flat_map(|n| [(n, 1), (n, 3)]) {
        let published = Model::new(network, classes, classes);
        let narrow = Model { widths: vec![8, 16], ..published.clone() };
        all.extend([Model { widths: vec![5, 12], ..published.clone() }, published]);
        if network == Network::RrAttUNet {
            for bits in 0..16 {
                let on = |bit: usize| bits >> bit & 1 == 1;
                let (share, gate_bn, residual, attention) = (on(0), on(1), on(2), on(3));
                all.push(Model { share, gate_bn, residual, attention, ..narrow.clone() });
            }
        }
        all.push(narrow);
    }
    all.extend(encoded());
    all
}

/// Networks with an encoder: the published one, and small ones with all that an encoder may have.
fn encoded() -> [Model; 3] {
    let published = Model::new(Network::EfficientUNetPp, 3, 1);
    let mut small = published.encoder.clone();
    small.stem = 8;
    small.stages.iter_mut().zip([5, 8, 8, 12, 12, 16, 20]).for_each(|(stage, out)| {
        (stage.out, stage.repeats) = (out, stage.repeats.min(2));
    });
    let lite = Encoder { padding: Padding::Same, frozen: true, ..Encoder::lite0() };
    let lite = Encoder { stages: small.stages.clone(), ..lite };
    let of = |encoder: Encoder, expansion: usize, squeeze: usize| Model {
        widths: vec![16, 12, 8, 6, 4],
        encoder,
        expansion,
        squeeze,
        ..Model::new(Network::EfficientUNetPp, 1, 3)
    };
    [published, of(small, 2, 4), of(lite, 1, 1)]
}

/// All losses that suit that many classes.
fn losses(classes: usize) -> Vec<LossSpec> {
    let plain = LossOptions::default();
    let image = LossOptions { scope: Scope::Image, ..plain.clone() };
    let softmax = LossOptions { link: Link::Softmax, include_background: false, ..plain.clone() };
    let weighted = LossOptions {
        class_weights: vec![0.5; classes],
        class_weighting: ClassWeighting::InverseSquareEps(0.5),
        penalty: Penalty { k: 0.75, form: PenaltyForm::Silva },
        ..softmax.clone()
    };
    let image = LossOptions { class_weighting: ClassWeighting::None, ..image };
    let mut all = vec![plain, image];
    if classes > 1 {
        all.extend([softmax, weighted]);
    }
    // Losses that know one way to make probabilities alone.
    let fits = |name: &str, link: Link| match name {
        "gdl" | "pgdl" | "total" => link == Link::Softmax || classes == 1,
        "bce" | "weighted_bce" | "bce_dice" => link == Link::Sigmoid,
        "cross_entropy" | "focal_true_class" => link == Link::Softmax,
        _ => true,
    };
    let named = |(name, o): (&str, &LossOptions)| LossSpec::named(name, o).unwrap_or_else(|e| panic!("{e}"));
    LossSpec::NAMES
        .into_iter()
        .flat_map(|name| all.iter().map(move |o| (name, o)))
        .filter(|(name, o)| fits(name, o.link))
        .map(named)
        .collect()
}

/// All methods, with each way of clipping, with and without loss scaling.
fn optimisers() -> Vec<OptimSpec> {
    let momentum = Sgd { momentum: 0.9, ..Sgd::default() };
    let methods = [
        Method::Sgd(Sgd::default()),
        Method::Sgd(momentum),
        Method::Sgd(Sgd { nesterov: true, ..momentum }),
        Method::Adam(Adam::default()),
        Method::Adam(Adam { amsgrad: true, ..Adam::default() }),
        Method::NAdam(NAdam::default()),
    ];
    let clips = [(None, None), (Some(1.0), None), (None, Some(1.0)), (Some(1.0), Some(1.0))];
    let scalings = [None, Some(Scaling::default())];
    let of = |method| {
        let clipped = move |(clip_norm, clip_value)| {
            scalings.map(|scaling| OptimSpec { method, clip_norm, clip_value, scaling })
        };
        clips.into_iter().flat_map(clipped)
    };
    methods.into_iter().flat_map(of).collect()
}
