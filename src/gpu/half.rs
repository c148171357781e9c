//! Buffers stored in half precision, without a word of it in any shader.
//!
//! In the composed syntax tree the buffers named become arrays of f16; every load from them is widened to f32
//! where it stands, and every store narrowed. Arithmetic stays in f32, and a kernel is written once for both
//! kinds of storage. What such a buffer cannot do (be passed whole, lend a pointer, be written in parts) is
//! refused.

use wesl::{
    SyntaxUtil,
    syntax::{
        AddressSpace, AssignmentOperator, AssignmentStatement, Attribute, BinaryExpression, BinaryOperator,
        CompoundStatement, Declaration, DeclarationKind, EnableDirective, Expression, ExpressionNode,
        FunctionCall, GlobalDeclaration, GlobalDirective, Ident, IndexingExpression, LiteralExpression,
        ParenthesizedExpression, Statement, TemplateArg, TranslationUnit, TypeExpression, UnaryOperator,
    },
};

/// Stores the buffers at `places` (counted from the one after the uniform, in the order of binding numbers)
/// as f16. Their elements must be `f32` or `vec4<f32>`.
pub(super) fn halve(unit: &mut TranslationUnit, places: &[usize]) -> Result<(), String> {
    // Equal identifiers are then the same object, and a local that hides a buffer is another.
    unit.retarget_idents();
    let aliases = aliases(unit);
    let mut bound = bindings(unit);
    let mut buffers = Vec::with_capacity(places.len());
    for place in places {
        let (_, declaration) = bound.get_mut(1 + place).ok_or_else(|| format!("has no buffer {place}"))?;
        let name = declaration.ident.clone();
        let element = declaration.ty.as_ref().and_then(|ty| Element::of(ty, &aliases));
        let element = element
            .filter(|_| matches!(declaration.kind, DeclarationKind::Var(Some((AddressSpace::Storage, _)))));
        let element = element.ok_or_else(|| {
            format!("{name} is no storage buffer of f32 or vec4<f32>, and cannot be stored in half")
        })?;
        declaration.ty = Some(generic("array", element.sized("f16")));
        buffers.push((name, element));
    }
    let rewriter = Rewriter { buffers };
    for declaration in &mut unit.global_declarations {
        if let GlobalDeclaration::Function(function) = declaration.node_mut() {
            rewriter.block(&mut function.body)?;
        }
    }
    let enable = EnableDirective { attributes: Vec::new(), extensions: vec!["f16".into()] };
    unit.global_directives.push(GlobalDirective::Enable(enable));
    Ok(())
}

/// All declarations with a binding number, in order of it.
fn bindings(unit: &mut TranslationUnit) -> Vec<(i64, &mut Declaration)> {
    let number = |d: &Declaration| {
        d.attributes.iter().find_map(|a| match a.node() {
            Attribute::Binding(e) => match e.node() {
                Expression::Literal(LiteralExpression::AbstractInt(i)) => Some(*i),
                _ => None,
            },
            _ => None,
        })
    };
    let mut all: Vec<_> = unit
        .global_declarations
        .iter_mut()
        .filter_map(|d| match d.node_mut() {
            GlobalDeclaration::Declaration(d) => number(d).map(|n| (n, d)),
            _ => None,
        })
        .collect();
    all.sort_by_key(|(n, _)| *n);
    all
}

fn aliases(unit: &TranslationUnit) -> Vec<(Ident, TypeExpression)> {
    let alias = |d: &GlobalDeclaration| match d {
        GlobalDeclaration::TypeAlias(alias) => Some((alias.ident.clone(), alias.ty.clone())),
        _ => None,
    };
    unit.global_declarations.iter().filter_map(|d| alias(d.node())).collect()
}

fn plain(name: &str) -> TypeExpression {
    TypeExpression::new(Ident::new(name.into()))
}

/// `name<argument>`
fn generic(name: &str, argument: TypeExpression) -> TypeExpression {
    let argument = TemplateArg { expression: Expression::TypeOrIdentifier(argument).into() };
    TypeExpression { template_args: Some(vec![argument]), ..plain(name) }
}

/// `name<argument>` taken apart.
fn argument(ty: &TypeExpression) -> Option<&TypeExpression> {
    match ty.template_args.as_deref()? {
        [one] => match one.expression.node() {
            Expression::TypeOrIdentifier(argument) => Some(argument),
            _ => None,
        },
        _ => None,
    }
}

/// What a buffer is an array of.
#[derive(Clone, Copy)]
enum Element {
    Number,
    Quad,
}

impl Element {
    /// Of an array's type.
    fn of(array: &TypeExpression, aliases: &[(Ident, TypeExpression)]) -> Option<Self> {
        let is = |ty: &TypeExpression, name: &str| *ty.ident.name() == name;
        let mut element = argument(array).filter(|_| is(array, "array"))?;
        while let Some((_, behind)) = aliases.iter().find(|(name, _)| *name == element.ident) {
            element = behind;
        }
        match argument(element) {
            None if is(element, "f32") => Some(Self::Number),
            Some(lane) if is(element, "vec4") && is(lane, "f32") => Some(Self::Quad),
            _ => None,
        }
    }

    /// Its type with numbers of another size.
    fn sized(self, number: &str) -> TypeExpression {
        match self {
            Self::Number => plain(number),
            Self::Quad => generic("vec4", plain(number)),
        }
    }

    fn convert(self, number: &str, value: ExpressionNode) -> ExpressionNode {
        Expression::FunctionCall(FunctionCall { ty: self.sized(number), arguments: vec![value] }).into()
    }

    fn widen(self, load: ExpressionNode) -> ExpressionNode {
        self.convert("f32", load)
    }

    fn narrow(self, value: ExpressionNode) -> ExpressionNode {
        self.convert("f16", value)
    }
}

struct Rewriter {
    buffers: Vec<(Ident, Element)>,
}

impl Rewriter {
    /// The element of the buffer that an expression names.
    fn buffer(&self, e: &Expression) -> Option<Element> {
        let Expression::TypeOrIdentifier(name) = e else { return None };
        self.buffers.iter().find(|(ident, _)| *ident == name.ident).map(|(_, element)| *element)
    }

    /// What kind of element an expression is, and its index.
    fn element<'a>(&self, e: &'a mut Expression) -> Option<(Element, &'a mut ExpressionNode)> {
        match e {
            Expression::Indexing(IndexingExpression { base, index }) => Some((self.buffer(base)?, index)),
            _ => None,
        }
    }

    /// Whether an expression is a place in one of the buffers.
    fn is_inside(&self, e: &Expression) -> bool {
        match e {
            Expression::Parenthesized(inner) => self.is_inside(&inner.expression),
            Expression::NamedComponent(part) => self.is_inside(&part.base),
            Expression::Indexing(part) => self.is_inside(&part.base),
            _ => self.buffer(e).is_some(),
        }
    }

    fn block(&self, block: &mut CompoundStatement) -> Result<(), String> {
        block.statements.iter_mut().try_for_each(|s| self.statement(s))
    }

    fn statement(&self, statement: &mut Statement) -> Result<(), String> {
        match statement {
            Statement::Void | Statement::Break(_) | Statement::Continue(_) | Statement::Discard(_) => Ok(()),
            Statement::Compound(block) => self.block(block),
            Statement::Assignment(assignment) => self.assignment(assignment),
            Statement::Increment(s) => self.load(&mut s.expression),
            Statement::Decrement(s) => self.load(&mut s.expression),
            Statement::If(s) => {
                self.load(&mut s.if_clause.expression)?;
                self.block(&mut s.if_clause.body)?;
                for clause in &mut s.else_if_clauses {
                    self.load(&mut clause.expression)?;
                    self.block(&mut clause.body)?;
                }
                s.else_clause.as_mut().map_or(Ok(()), |clause| self.block(&mut clause.body))
            }
            Statement::Switch(s) => {
                self.load(&mut s.expression)?;
                s.clauses.iter_mut().try_for_each(|clause| self.block(&mut clause.body))
            }
            Statement::Loop(s) => {
                self.block(&mut s.body)?;
                let Some(end) = &mut s.continuing else { return Ok(()) };
                self.block(&mut end.body)?;
                end.break_if.as_mut().map_or(Ok(()), |s| self.load(&mut s.expression))
            }
            Statement::For(s) => {
                s.initializer.as_mut().map_or(Ok(()), |s| self.statement(s))?;
                s.condition.as_mut().map_or(Ok(()), |e| self.load(e))?;
                s.update.as_mut().map_or(Ok(()), |s| self.statement(s))?;
                self.block(&mut s.body)
            }
            Statement::While(s) => {
                self.load(&mut s.condition)?;
                self.block(&mut s.body)
            }
            Statement::Return(s) => s.expression.as_mut().map_or(Ok(()), |e| self.load(e)),
            Statement::FunctionCall(s) => s.call.arguments.iter_mut().try_for_each(|e| self.load(e)),
            Statement::ConstAssert(s) => self.load(&mut s.expression),
            Statement::Declaration(s) => s.initializer.as_mut().map_or(Ok(()), |e| self.load(e)),
        }
    }

    /// `y[i] = e` and `y[i] += e`.
    fn assignment(&self, s: &mut AssignmentStatement) -> Result<(), String> {
        self.load(&mut s.rhs)?;
        let Some((element, index)) = self.element(&mut s.lhs) else {
            return if self.is_inside(&s.lhs) {
                Err(format!("writes {}, a part of what is stored in half", s.lhs))
            } else {
                self.load(&mut s.lhs)
            };
        };
        self.load(index)?;
        let value = s.rhs.clone();
        let value = match s.operator {
            AssignmentOperator::Equal => value,
            operator => {
                let expression = value;
                Expression::Binary(BinaryExpression {
                    operator: binary(operator).ok_or("changes an element bit by bit")?,
                    left: element.widen(s.lhs.clone()),
                    right: Expression::Parenthesized(ParenthesizedExpression { expression }).into(),
                })
                .into()
            }
        };
        s.operator = AssignmentOperator::Equal;
        s.rhs = element.narrow(value);
        Ok(())
    }

    /// Widens every load within an expression that is read.
    fn load(&self, e: &mut ExpressionNode) -> Result<(), String> {
        match e.node_mut() {
            Expression::Literal(_) => Ok(()),
            Expression::Parenthesized(inner) => self.load(&mut inner.expression),
            Expression::NamedComponent(part) => self.load(&mut part.base),
            Expression::Binary(both) => {
                self.load(&mut both.left)?;
                self.load(&mut both.right)
            }
            Expression::FunctionCall(call) => call.arguments.iter_mut().try_for_each(|e| self.load(e)),
            Expression::Unary(one) => {
                if one.operator == UnaryOperator::AddressOf && self.is_inside(&one.operand) {
                    return Err(format!("takes the address of {}, which is stored in half", one.operand));
                }
                self.load(&mut one.operand)
            }
            Expression::Indexing(part) => {
                self.load(&mut part.index)?;
                match self.buffer(&part.base) {
                    Some(element) => *e = element.widen(e.clone()),
                    None => self.load(&mut part.base)?,
                }
                Ok(())
            }
            name @ Expression::TypeOrIdentifier(_) => match self.buffer(name) {
                Some(_) => Err(format!("uses {name} whole, which is stored in half")),
                None => Ok(()),
            },
        }
    }
}

/// The operator of a compound assignment.
fn binary(operator: AssignmentOperator) -> Option<BinaryOperator> {
    match operator {
        AssignmentOperator::PlusEqual => Some(BinaryOperator::Addition),
        AssignmentOperator::MinusEqual => Some(BinaryOperator::Subtraction),
        AssignmentOperator::TimesEqual => Some(BinaryOperator::Multiplication),
        AssignmentOperator::DivisionEqual => Some(BinaryOperator::Division),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "alias Unit = vec4<f32>;
        @group(0) @binding(0) var<uniform> p: vec4<u32>;
        @group(0) @binding(3) var<storage, read> x: array<Unit>;
        @group(0) @binding(1) var<storage, read_write> y: array<vec4<f32>>;
        @group(0) @binding(5) var<storage, read> w: array<f32>;
        @group(0) @binding(6) var<storage, read> n: array<vec4<u32>>;
        fn other(x: f32) -> f32 { return x + w[0]; }\n";

    /// The function with x, w and y stored in half, without white space.
    fn halved(body: &str, places: &[usize]) -> Result<String, String> {
        let text = format!("{HEAD}@compute @workgroup_size(1) fn main() {{ {body} }}");
        let mut unit: TranslationUnit = text.parse().expect("WGSL");
        halve(&mut unit, places)?;
        let text = unit.to_string();
        naga::front::wgsl::parse_str(&text).map_err(|e| e.emit_to_string(&text))?;
        let (head, main) = text.split_once("fn main").expect("an entry point");
        assert!(head.starts_with("enable f16;"), "{head}");
        Ok(main.split_whitespace().collect())
    }

    #[test]
    fn loads_are_widened_and_stores_narrowed() {
        let cases = [
            ("let a = x[p.x];", "leta=vec4<f32>(x[p.x]);"),
            ("let a = x[1].y;", "leta=vec4<f32>(x[1]).y;"),
            ("let a = x[u32(w[2])][1];", "leta=vec4<f32>(x[u32(f32(w[2]))])[1];"),
            ("let a = other(w[0]);", "leta=other(f32(w[0]));"),
            ("y[0] = x[0] * 2;", "y[0]=vec4<f16>(vec4<f32>(x[0])*2);"),
            ("y[n[0].x] += x[0] - 1;", "y[n[0].x]=vec4<f16>(vec4<f32>(y[n[0].x])+(vec4<f32>(x[0])-1));"),
            ("var x = x[0]; x[1] = 2; x.z += 1;", "varx=vec4<f32>(x[0]);x[1]=2;x.z+=1;"),
            ("for (var i = 0; f32(i) < w[0]; i++) { y[i] = x[i]; }", "f32(i)<f32(w[0])"),
            (
                "if w[0] > 1 { return; } else if w[1] > 2 { y[0] = x[0]; }",
                "elseiff32(w[1])>2{y[0]=vec4<f16>(",
            ),
        ];
        for (body, want) in cases {
            let got = halved(body, &[0, 1, 2]).unwrap_or_else(|e| panic!("{body}: {e}"));
            assert!(got.contains(want), "{body} became {got}");
        }
        assert!(halved("y[0] = x[0];", &[1]).is_ok_and(|s| s.contains("y[0]=vec4<f32>(x[0]);")));
    }

    #[test]
    fn what_half_cannot_do_is_refused() {
        let cases = [
            ("let a = arrayLength(&x);", "the address of x"),
            ("let a = &y[0];", "the address of y[0]"),
            ("y[0].x = 1;", "writes y[0].x"),
            ("y[0][1] = 1;", "writes y[0][1]"),
            ("_ = x;", "uses x whole"),
        ];
        for (body, want) in cases {
            let got = halved(body, &[0, 1]).unwrap_err();
            assert!(got.contains(want), "{body}: {got}");
        }
        assert!(halved("", &[3]).unwrap_err().contains("n is no storage buffer of f32"));
        assert!(halved("", &[4]).unwrap_err().contains("no buffer 4"));
    }
}
