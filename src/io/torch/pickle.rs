//! A machine for the part of Python's pickle format, protocols 2 to 5, that checkpoints need.
//!
//! Opcodes as in CPython's `Lib/pickletools.py`. Nothing recurses and nothing is called: what a pickle names is
//! looked up in the table of `calls.rs`.

use std::{collections::HashMap, io::Read};

use super::{
    Parsed, calls,
    objects::{Heap, MAX_NAME, Object, Value},
};

/// Longest pickle that is read, bytes; those of the largest networks take a hundredth.
pub(super) const MAX_PICKLE: u64 = 1 << 24;

/// A pickle that was read: its value, and the objects that belong to it.
#[derive(Debug)]
pub(super) struct Loaded {
    pub root: Value,
    pub heap: Heap,
}

/// Bytes that are counted.
pub(super) struct Input<R> {
    reader: R,
    /// Bytes read so far.
    pub position: u64,
    /// Where the pickle that is being read must have ended.
    end: u64,
}

impl<R: Read> Input<R> {
    pub fn new(reader: R) -> Self {
        Self { reader, position: 0, end: 0 }
    }

    pub fn into_inner(self) -> R {
        self.reader
    }

    fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(|_| "the file ends within it")?;
        self.advance(N as u64)?;
        Ok(bytes)
    }

    /// As many bytes as are there are allocated, whatever `length` says.
    fn bytes(&mut self, length: u64) -> Parsed<Vec<u8>> {
        self.advance(length)?;
        let mut bytes = Vec::new();
        self.reader.by_ref().take(length).read_to_end(&mut bytes).map_err(|e| e.to_string())?;
        if (bytes.len() as u64) < length { Err("the file ends within it".to_owned()) } else { Ok(bytes) }
    }

    fn advance(&mut self, bytes: u64) -> Parsed<()> {
        self.position = self.position.saturating_add(bytes);
        if self.position > self.end {
            return Err(format!("it is longer than {} MiB", MAX_PICKLE >> 20));
        }
        Ok(())
    }

    /// Text to the end of the line.
    fn line(&mut self) -> Parsed<String> {
        let mut line = Vec::new();
        loop {
            match self.array::<1>()? {
                [b'\n'] => return utf8(line),
                [byte] if line.len() < MAX_NAME => line.push(byte),
                _ => return Err(format!("a name is longer than {MAX_NAME} bytes")),
            }
        }
    }
}

fn utf8(bytes: Vec<u8>) -> Parsed<String> {
    String::from_utf8(bytes).map_err(|_| "a text is not UTF-8".to_owned())
}

/// Reads one pickle, up to its end and no further.
///
/// # Errors
/// What is wrong and at which byte; a name that weights do not need is given as `module.name`.
pub(super) fn load<R: Read>(input: &mut Input<R>) -> Parsed<Loaded> {
    input.end = input.position.saturating_add(MAX_PICKLE);
    let mut machine =
        Machine { input, stack: Vec::new(), marks: Vec::new(), memo: HashMap::new(), heap: Heap::default() };
    loop {
        let at = machine.input.position;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok(Loaded { root, heap: machine.heap }),
            Err(why) => return Err(format!("its pickle, at byte {at}: {why}")),
        }
    }
}

struct Machine<'a, R> {
    input: &'a mut Input<R>,
    stack: Vec<Value>,
    /// Heights of the stack at its marks.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    heap: Heap,
}

impl<R: Read> Machine<'_, R> {
    /// Carries out one instruction; returns the pickle's value at its end.
    fn step(&mut self) -> Parsed<Option<Value>> {
        let [opcode] = self.input.array()?;
        match opcode {
            b'.' => return self.pop().map(Some),
            // PROTO
            0x80 => match self.input.array()? {
                [2..=5] => {}
                [version] => return Err(format!("protocol {version}; 2 to 5 can be read")),
            },
            // FRAME: the length of what follows, which says nothing that is not known.
            0x95 => drop(self.input.array::<8>()?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.pop_mark()?),
            b'2' => {
                let top = self.pop()?;
                self.stack.extend([top, top]);
            }
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.memory(opcode)?,
            b'c' | 0x93 | b'R' | b'b' | b'Q' => self.name(opcode)?,
            b'}' | b']' | b')' | b't' | 0x85..=0x87 | b'l' | b'd' => self.container(opcode)?,
            b'a' | b'e' | b's' | b'u' => self.fill(opcode)?,
            _ => self.constant(opcode)?,
        }
        Ok(None)
    }

    /// The top of the stack, above the last mark.
    fn pop(&mut self) -> Parsed<Value> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(top) if self.stack.len() >= floor => Ok(top),
            _ => Err("it takes more from its stack than is there".to_owned()),
        }
    }

    fn pop_mark(&mut self) -> Parsed<Vec<Value>> {
        let mark = self.marks.pop().ok_or("it goes back to a mark that is not there")?;
        Ok(self.stack.split_off(mark))
    }

    /// PUT and GET: objects by number, so that they can be referred to again.
    fn memory(&mut self, opcode: u8) -> Parsed<()> {
        let number = match opcode {
            b'q' | b'h' => u32::from(self.input.array::<1>()?[0]),
            b'r' | b'j' => u32::from_le_bytes(self.input.array()?),
            _ => self.memo.len() as u32,
        };
        if matches!(opcode, b'h' | b'j') {
            let value = *self.memo.get(&number).ok_or("it refers to what was not kept")?;
            self.stack.push(value);
        } else {
            let top = self.pop()?;
            self.stack.push(top);
            self.memo.insert(number, top);
        }
        Ok(())
    }

    /// GLOBAL, STACK_GLOBAL, REDUCE, BUILD and BINPERSID: names, and what is made with them.
    fn name(&mut self, opcode: u8) -> Parsed<()> {
        let made = match opcode {
            b'c' => {
                let (module, name) = (self.input.line()?, self.input.line()?);
                Value::Global(calls::find(&module, &name)?)
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let texts = self.heap.text(module).zip(self.heap.text(name));
                let (module, name) = texts.ok_or("a name that is no text, or too long")?;
                Value::Global(calls::find(module, name)?)
            }
            b'R' => {
                let (arguments, callee) = (self.pop()?, self.pop()?);
                let Value::Global(global) = callee else {
                    return Err("it calls what is no function".to_owned());
                };
                calls::build(&mut self.heap, global, arguments)?
            }
            b'b' => {
                // Attributes of an ordered dict: versions of its modules, of no use here.
                let (_, object) = (self.pop()?, self.pop()?);
                self.heap.dict(object).ok_or("it gives attributes to what is no ordered dict")?;
                object
            }
            _ => {
                let id = self.pop()?;
                calls::storage(&mut self.heap, id)?
            }
        };
        self.stack.push(made);
        Ok(())
    }

    /// Containers, empty ones and those made of what is on the stack.
    fn container(&mut self, opcode: u8) -> Parsed<()> {
        let object = match opcode {
            b'}' => Object::Dict(Vec::new()),
            b']' => Object::List(Vec::new()),
            b')' => Object::Tuple(Vec::new()),
            b't' => Object::Tuple(self.pop_mark()?),
            b'l' => Object::List(self.pop_mark()?),
            b'd' => Object::Dict(pairs(&self.pop_mark()?)?),
            _ => {
                // TUPLE1 to TUPLE3
                let count = usize::from(opcode - 0x84);
                let mut elements = (0..count).map(|_| self.pop()).collect::<Parsed<Vec<_>>>()?;
                elements.reverse();
                Object::Tuple(elements)
            }
        };
        let made = self.heap.add(object);
        self.stack.push(made);
        Ok(())
    }

    /// APPEND, APPENDS, SETITEM and SETITEMS.
    fn fill(&mut self, opcode: u8) -> Parsed<()> {
        let new = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                vec![key, value]
            }
            _ => self.pop_mark()?,
        };
        let container = self.pop()?;
        self.stack.push(container);
        match (opcode, self.heap.get_mut(container)) {
            (b'a' | b'e', Some(Object::List(list))) => list.extend(new),
            (b's' | b'u', Some(Object::Dict(entries))) => entries.extend(pairs(&new)?),
            _ => return Err("it fills what is no list or dict".to_owned()),
        }
        Ok(())
    }

    /// Numbers and texts.
    fn constant(&mut self, opcode: u8) -> Parsed<()> {
        let value = match opcode {
            b'N' => Value::None,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            b'J' => Value::Int(i32::from_le_bytes(self.input.array()?).into()),
            b'K' => Value::Int(self.input.array::<1>()?[0].into()),
            b'M' => Value::Int(u16::from_le_bytes(self.input.array()?).into()),
            b'G' => {
                self.input.array::<8>()?;
                Value::Float
            }
            // LONG1 and LONG4
            0x8a | 0x8b => {
                let digits = self.counted(if opcode == 0x8a { 1 } else { 4 })?;
                self.integer(digits)
            }
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
            b'X' | 0x8c | 0x8d => {
                let text = self.counted(if opcode == b'X' { 4 } else { 1 << (3 * (opcode - 0x8c)) })?;
                let text = utf8(text)?;
                self.heap.add(Object::Text(text))
            }
            // Texts of Python 2, and bytes.
            b'T' | b'U' | b'B' | b'C' | 0x8e => {
                let bytes = self.counted(match opcode {
                    b'T' | b'B' => 4,
                    0x8e => 8,
                    _ => 1,
                })?;
                self.heap.add(match String::from_utf8(bytes) {
                    Ok(text) if matches!(opcode, b'T' | b'U') => Object::Text(text),
                    Ok(text) => Object::Bytes(text.into_bytes()),
                    Err(error) => Object::Bytes(error.into_bytes()),
                })
            }
            _ => return Err(format!("instruction {opcode:#04x} is none that weights need")),
        };
        self.stack.push(value);
        Ok(())
    }

    /// Bytes behind their number, which itself has `width` bytes.
    fn counted(&mut self, width: usize) -> Parsed<Vec<u8>> {
        let length = match width {
            1 => u64::from(self.input.array::<1>()?[0]),
            4 => u32::from_le_bytes(self.input.array()?).into(),
            _ => u64::from_le_bytes(self.input.array()?),
        };
        self.input.bytes(length)
    }

    /// Of little-endian digits in two's complement.
    fn integer(&mut self, digits: Vec<u8>) -> Value {
        if digits.len() > 8 {
            return self.heap.add(Object::Bytes(digits));
        }
        let negative = digits.last().is_some_and(|last| *last >= 0x80);
        let mut bytes = [if negative { 0xff } else { 0 }; 8];
        bytes[..digits.len()].copy_from_slice(&digits);
        Value::Int(i64::from_le_bytes(bytes))
    }
}

/// Keys and values that lie one after another.
fn pairs(values: &[Value]) -> Parsed<Vec<(Value, Value)>> {
    match values.as_chunks::<2>() {
        (pairs, []) => Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect()),
        _ => Err("a key without a value".to_owned()),
    }
}
