//! Reference cases of energies and descents.

use std::sync::Arc;

use super::{
    cases::{Case, CaseFile, Judge},
    graphs,
};
use crate::{
    Error, Result,
    gpu::Context,
    graph::{Graph, Init, Layout, Plan, Session, Shape, Var, Weights},
    ops::{
        Keep, Reduce, add,
        energy::{
            Crf, CrfKernel, EdgeMask, Hopfield, Laplacian, Patches, Response, Retrieval, Rule, Som,
            SomEnergy, SomEnergyKind,
        },
    },
};

/// A tensor, or one number a picture and step.
enum Made {
    Tensor(Var),
    Series(Vec<Var>),
}

/// The graph of a case under construction.
struct Building<'a> {
    graph: Graph,
    file: &'a CaseFile,
    case: &'a Case,
    inputs: Vec<(String, Var)>,
    outs: Vec<(String, Made)>,
    /// What the case's gradients are of.
    differentiated: Option<Var>,
}

/// Runs a case; `None` if it is not known.
pub fn run(
    context: &Arc<Context>,
    file: &CaseFile,
    case: &Case,
    judge: &mut Judge<'_>,
) -> Option<Result<()>> {
    let (inputs, outs) = (Vec::new(), Vec::new());
    let mut b = Building { graph: Graph::new(), file, case, inputs, outs, differentiated: None };
    let built = match case.name.as_str() {
        "response" => b.response(),
        "energy7" => b.energy7(),
        "edge_mask" => b.edge_mask(),
        "som_eq9" | "som_eq10" => b.som(),
        "crf_kernel" => b.crf_kernel(),
        "crf" => b.crf(),
        "hopfield" => b.hopfield(),
        _ => return None,
    };
    Some(built.and_then(|()| b.judge(context, judge)))
}

impl Building<'_> {
    fn input(&mut self, name: &str) -> Result<Var> {
        let (name, var) = graphs::input(&mut self.graph, self.file, self.case, name)?;
        self.inputs.push((name, var));
        Ok(var)
    }

    /// A parameter: a matrix as it lies in the file, or one number.
    fn param(&mut self, name: &str) -> Result<Var> {
        let shape = &self.file.tensor(self.case, &format!("param.{name}"))?.shape;
        let layout = match shape[..] {
            [rows, cols] => Layout::Matrix { rows, cols },
            [1] => Layout::Tensor(Shape::SCALAR),
            _ => return Err(Error::Check(format!("{name} has shape {shape:?}"))),
        };
        Ok(self.graph.param(name, layout, Init::Constant(0.0)))
    }

    fn out(&mut self, name: &str, var: Var) {
        self.graph.output(var);
        self.outs.push((name.into(), Made::Tensor(var)));
    }

    fn rate(&self) -> f32 {
        self.case.number("alpha", 0.1) as f32
    }

    fn response(&mut self) -> Result<()> {
        let v = self.input("v")?;
        let y = self.graph.apply(Response::new(), &[v])?;
        self.out("y", y);
        self.differentiated = Some(y);
        Ok(())
    }

    fn summed(&mut self, map: Var) -> Result<Var> {
        self.graph.apply(Reduce::sum(Keep::PictureChannels), &[map])
    }

    fn energy7(&mut self) -> Result<()> {
        let v = self.input("v")?;
        let map = self.graph.apply(SomEnergy::new(SomEnergyKind::Pairs), &[v])?;
        let y = self.summed(map)?;
        self.out("y", y);
        self.differentiated = Some(y);
        Ok(())
    }

    fn edge_mask(&mut self) -> Result<()> {
        let given = self.case.word("filter") == "given";
        let filtered = if given {
            self.input("F")?
        } else {
            let x = self.input("x")?;
            let filtered = self.graph.apply(Laplacian, &[x])?;
            self.out("F", filtered);
            filtered
        };
        let op = EdgeMask::new(self.case.number("eps", 0.0) as f32, 0.0);
        let phi = self.graph.apply(op, &[filtered])?;
        self.out("phi", phi);
        Ok(())
    }

    fn som(&mut self) -> Result<()> {
        let rule = if self.case.attrs.contains_key("literal") {
            Rule::Response { literal: self.case.flag("literal", false) }
        } else {
            Rule::Equilibrium { include_self: self.case.flag("include_self", false) }
        };
        let (v, phi) = (self.input("v0")?, self.input("phi")?);
        let som = |steps| Som::new(rule, self.case.number("alpha", 0.1) as f32, steps);
        let five = som(5);
        let traced = self.graph.apply_all(Som { traced: true, ..som(20) }, &[v, phi])?;
        let one = self.graph.apply(som(1), &[v, phi])?;
        let middle = self.graph.apply(five, &[v, phi])?;
        let mut state = v;
        let mut energies = Vec::new();
        for t in 0..=20 {
            let map = self.graph.apply(SomEnergy::new(SomEnergyKind::Pairs), &[state])?;
            energies.push(self.summed(map)?);
            if t < 20 {
                state = self.graph.apply(Som { steps: 1, ..five }, &[state, phi])?;
            }
        }
        energies.iter().for_each(|e| self.graph.output(*e));
        self.outs.push(("energy7".into(), Made::Series(energies)));
        self.out("edge_energy", traced[1]);
        self.states([one, middle, traced[0]]);
        Ok(())
    }

    /// The states after 1, 5 and 20 steps.
    fn states(&mut self, [one, middle, last]: [Var; 3]) {
        self.out("state_T1", one);
        self.out("state_T5", middle);
        self.out("state_T20", last);
        self.differentiated = Some(middle);
    }

    fn kernel(&mut self) -> Result<Var> {
        let x = self.input("x")?;
        let op = CrfKernel::new(self.case.number("bandwidth", 1.0) as f32, true);
        self.graph.apply(op, &[x])
    }

    fn crf_kernel(&mut self) -> Result<()> {
        let y = self.kernel()?;
        self.out("y", y);
        self.differentiated = Some(y);
        Ok(())
    }

    fn crf(&mut self) -> Result<()> {
        let (v, k, w) = (self.input("v0")?, self.kernel()?, self.param("w")?);
        let op = Crf { normalised: self.case.flag("normalize", false), ..Crf::new(self.rate(), 1) };
        let one = self.graph.apply(op, &[v, k, w])?;
        let middle = self.graph.apply(Crf { steps: 5, ..op }, &[v, k, w])?;
        let last = self.graph.apply_all(Crf { steps: 20, traced: true, ..op }, &[v, k, w])?;
        self.out("energy", last[1]);
        self.states([one, middle, last[0]]);
        Ok(())
    }

    fn hopfield(&mut self) -> Result<()> {
        let (v, memories) = (self.input("v0")?, self.param("xi")?);
        let size = self.case.count("patch", 1);
        let retrieval = if self.case.word("g") == "relu" { Retrieval::Relu } else { Retrieval::Softmax };
        let beta = self.case.number("beta", 1.0) as f32;
        let op = Hopfield { retrieval, beta, ..Hopfield::new(self.rate(), 1) };
        let patches = self.graph.apply(Patches::cut(size), &[v])?;
        let mut after = |steps, traced| -> Result<(Var, Option<Var>)> {
            let made = self.graph.apply_all(Hopfield { steps, traced, ..op }, &[patches, memories])?;
            let state = self.graph.apply(Patches::join(size), &[made[0]])?;
            Ok((state, made.get(1).copied()))
        };
        let states = [after(1, false)?.0, after(5, false)?.0];
        let (last, energies) = after(20, true)?;
        if let Some(energies) = energies {
            self.out("energy", energies);
        }
        self.states([states[0], states[1], last]);
        Ok(())
    }

    fn judge(mut self, context: &Arc<Context>, judge: &mut Judge<'_>) -> Result<()> {
        let (file, case) = (self.file, self.case);
        let graph = &mut self.graph;
        let wanted = |name: &String| case.grad.contains(name);
        let wrt: Vec<Var> = self.inputs.iter().filter(|(n, _)| wanted(n)).map(|(_, v)| *v).collect();
        let mut gradients = Vec::new();
        let mut seed = None;
        if let (Some(y), false) = (self.differentiated, case.grad.is_empty()) {
            let var = graph.input("cotangent", graph.shape(y));
            gradients = graph.backward(y, var, &wrt, add)?;
            gradients.iter().flatten().for_each(|v| graph.output(*v));
            seed = Some(var);
        }
        let weights = Arc::new(Weights::new(context, graph, 0)?);
        for param in &weights.params {
            weights.set(&param.name, &file.tensor(case, &format!("param.{}", param.name))?.data)?;
        }
        let session = Session::new(Plan::new(graph, context)?, &weights)?;
        session.poison()?;
        for (name, var) in &self.inputs {
            session.write(*var, &file.stored(case, &format!("in.{name}"))?.1)?;
        }
        if let Some(seed) = seed {
            session.write(seed, &file.stored(case, "in.cotangent")?.1)?;
        }
        session.run();
        context.check()?;
        for (name, made) in &self.outs {
            let name = format!("out.{name}");
            match made {
                Made::Tensor(var) => {
                    judge.compare_stored(&name, session.shape(*var), &session.read(*var)?)?
                }
                Made::Series(vars) => {
                    let steps: Vec<Vec<f32>> =
                        vars.iter().map(|v| session.read(*v)).collect::<Result<_>>()?;
                    let pictures = steps.first().map_or(0, Vec::len);
                    let by_picture = (0..pictures).flat_map(|n| steps.iter().map(move |step| step[n]));
                    judge.compare(&name, &by_picture.collect::<Vec<_>>())?;
                }
            }
        }
        for name in &case.grad {
            let key = format!("grad.{name}");
            let of_input = wrt.iter().position(|v| self.inputs.iter().any(|(n, i)| n == name && i == v));
            match (of_input, session.gradients()) {
                (Some(at), _) => {
                    let missing = || Error::Check(format!("{key}: no gradient was built"));
                    let var = gradients[at].ok_or_else(missing)?;
                    judge.compare_stored(&key, session.shape(var), &session.read(var)?)?;
                }
                (None, Some(all)) => judge.compare(&key, &session.read_gradient(all, name)?)?,
                (None, None) => {}
            }
        }
        Ok(())
    }
}
