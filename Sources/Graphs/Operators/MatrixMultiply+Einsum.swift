internal import Tensors

/// ONNX Einsum (opset 12): sums of products by Einstein's convention, with `...`, repeated letters and the implicit form.
enum Einsum {
    static let operation = Operator(
        "Einsum", arity: 1...Int(Int32.max),
        infer: { c in
            let dims = try c.node.inputs.indices.map { try c.dims($0) }
            let equation = try Equation(c, ranks: dims.map(\.count))
            let sizes = try equation.sizes(dims, isOne: { $0.value == 1 }, isSame: { $0 == $1 || $0.value == nil || $1.value == nil })
            return [TensorType(try c.type(0).element, equation.output.map { sizes[$0] ?? .unknown })]
        },
        compute: { c in
            let inputs = try c.inputs.indices.map { try c.tensor($0) }
            return [try contract(Equation(c, ranks: inputs.map(\.shape.count)), inputs)]
        },
        vjp: { g, n, dy in
            guard let arriving = dy[0] else { return n.inputs.map { _ in nil } }
            return try gradient(&g, n, arriving)
        },
        samples: [
            Sample([.real(2, 3), .real(3, 4)], ["equation": .string("ij,jk->ik")]),
            Sample([.real(2, 3, 4), .real(2, 5, 4)], ["equation": .string("...id, ...jd -> ...ij")]),
            Sample([.real(2, 3)], ["equation": .string("ij->i")]), Sample([.real(3, 3)], ["equation": .string("ii->i")]),
            Sample([.real(3, 3)], ["equation": .string("ii")]), Sample([.real(3, 2)], ["equation": .string("ba")]),
            Sample([.real(2), .real(2, 3), .real(3)], ["equation": .string("a,ab,b->ba")]),
        ])

    /// Letters of each operand and of the result; `...` is spelled out with letters that the equation leaves free.
    struct Equation {
        let operands: [[Character]]
        let output: [Character]

        init(_ c: some NodeReader, ranks: [Int]) throws {
            let text = c.string("equation", default: "").filter { $0 != " " }
            let free = Equation.alphabet.filter { !text.contains($0) }
            let sides = text.split(separator: ">", omittingEmptySubsequences: false).map { $0.filter { $0 != "-" } }
            let terms = (sides.first ?? "").split(separator: ",", omittingEmptySubsequences: false).map(String.init)
            guard sides.count <= 2, terms.count == ranks.count else {
                throw Failure.invalid("equation '\(text)' has \(terms.count) operands, found \(ranks.count) inputs")
            }
            var widest = 0
            operands = try zip(terms, ranks).map { term, rank in
                let letters = term.filter { $0 != "." }.count
                let dots = term.contains(".") ? rank - letters : 0
                guard dots >= 0, letters + dots == rank, dots <= free.count else {
                    throw Failure.shape("term '\(term)' does not fit an input of rank \(rank)")
                }
                widest = max(widest, dots)
                return try Equation.spell(term, Array(free.prefix(dots).reversed()))
            }
            // Broadcast axes align at their end, so the letters are counted from there.
            let dots = Array(free.prefix(widest).reversed())
            output = sides.count == 2 ? try Equation.spell(String(sides[1]), dots) : dots + Equation.implied(operands, dots)
            for letter in output where !operands.joined().contains(letter) {
                throw Failure.invalid("result letter \(letter) is in no operand")
            }
        }

        private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

        private static func spell(_ term: String, _ dots: [Character]) throws -> [Character] {
            guard let first = term.firstIndex(of: ".") else { return try letters(Array(term)) }
            let rest = term[first...].drop { $0 == "." }
            return try letters(Array(term[..<first])) + dots + letters(Array(rest))
        }

        private static func letters(_ term: [Character]) throws -> [Character] {
            for letter in term where !alphabet.contains(letter) { throw Failure.invalid("'\(letter)' is not a letter of an equation") }
            return term
        }

        /// Without an arrow the result has the letters that occur once, in alphabetical order.
        private static func implied(_ operands: [[Character]], _ dots: [Character]) -> [Character] {
            let all = operands.flatMap { $0 }.filter { !dots.contains($0) }
            return Set(all).filter { letter in all.filter { $0 == letter }.count == 1 }.sorted()
        }

        /// Letters that are summed.
        var summed: [Character] {
            var seen = Set(output)
            return operands.flatMap { $0 }.filter { seen.insert($0).inserted }
        }

        /// The size of each letter; sizes of 1 broadcast.
        func sizes<S>(_ shapes: [[S]], isOne: (S) -> Bool, isSame: (S, S) -> Bool) throws -> [Character: S] {
            var sizes: [Character: S] = [:]
            for (letter, size) in zip(operands.joined(), shapes.joined()) {
                guard let known = sizes[letter], !isOne(known) else { sizes[letter] = size; continue }
                guard isOne(size) || isSame(known, size) else { throw Failure.shape("letter \(letter) has sizes \(known) and \(size)") }
            }
            return sizes
        }
    }

    // MARK: Kernel

    private static func contract(_ equation: Equation, _ inputs: [Tensor]) throws -> Tensor {
        let sizes = try equation.sizes(inputs.map(\.shape), isOne: { $0 == 1 }, isSame: { $0 == $1 })
        let letters = equation.output + equation.summed
        let extents = letters.map { sizes[$0] ?? 1 }
        let steps = zip(equation.operands, inputs).map { term, input in
            letters.map { letter in
                term.indices.reduce(0) { $0 + (term[$1] == letter && input.shape[$1] != 1 ? Shape.strides(input.shape)[$1] : 0) }
            }
        }
        let shape = equation.output.map { sizes[$0] ?? 1 }
        let type = inputs.first?.type ?? .float32
        let wide = try inputs.map { try $0.converted(to: .float64) }
        let result = try Tensor.make(shape, Double.self) { y in
            guard !y.isEmpty else { return }
            let terms = Loop(extents: extents, steps: steps, outer: shape.count)
            withExtendedLifetime(wide) {
                terms.run(wide.map { UnsafePointer($0.start?.assumingMemoryBound(to: Double.self)) }, y)
            }
        }
        return try result.converted(to: type)
    }

    /// Nested loops over result letters, then summed letters, with one moving offset for each operand.
    private struct Loop {
        let extents: [Int]
        let steps: [[Int]]
        let outer: Int

        func run(_ sources: [UnsafePointer<Double>?], _ y: UnsafeMutableBufferPointer<Double>) {
            var index = [Int](repeating: 0, count: extents.count), offsets = [Int](repeating: 0, count: sources.count)
            let isEmpty = extents.contains(0)
            for i in y.indices {
                var sum = 0.0
                if !isEmpty {
                    repeat {
                        var product = 1.0
                        for s in sources.indices { if let source = sources[s] { product *= source[offsets[s]] } }
                        sum += product
                    } while advance(&index, &offsets, from: outer, to: extents.count)
                }
                y[i] = sum
                _ = advance(&index, &offsets, from: 0, to: outer)
            }
        }

        /// The next position of the loops `first..<last`; false, and back at the start, after the last one.
        private func advance(_ index: inout [Int], _ offsets: inout [Int], from first: Int, to last: Int) -> Bool {
            var loop = last - 1
            while loop >= first {
                index[loop] += 1
                for s in offsets.indices { offsets[s] += steps[s][loop] }
                if index[loop] < extents[loop] { return true }
                for s in offsets.indices { offsets[s] -= steps[s][loop] * extents[loop] }
                index[loop] = 0
                loop -= 1
            }
            return false
        }
    }

    // MARK: Gradient

    private struct Reader: NodeReader {
        let node: Node
        func constant(_ index: Int) -> Tensor? { nil }
    }

    private static func gradient(_ g: inout Gradients, _ n: Node, _ dy: ValueID) throws -> [ValueID?] {
        let inputs = try n.inputs.indices.map { try g.input(n, $0) }
        let equation = try Equation(Reader(node: n), ranks: inputs.map { try g.rank(of: $0) })
        return try inputs.indices.map { g.wants(n, $0) ? try operandGradient(&g, equation, inputs, dy, $0) : nil }
    }

    /// The gradient is the same kind of sum, with the result's letters in the operand's place.
    private static func operandGradient(
        _ g: inout Gradients, _ equation: Equation, _ inputs: [ValueID], _ dy: ValueID, _ index: Int
    ) throws -> ValueID {
        let x = inputs[index]
        var terms = [equation.output], values = [dy]
        for other in inputs.indices where other != index { terms.append(equation.operands[other]); values.append(inputs[other]) }
        let target = try separate(&g, equation, x, index, &terms, &values)
        let present = Set(terms.joined())
        let found = target.filter { present.contains($0) }
        let text = terms.map { String($0) }.joined(separator: ",") + "->" + String(found)
        let sum = try g.emit("Einsum", values, ["equation": .string(text)])
        // A letter that was summed on its own spreads the gradient evenly.
        let missing = target.indices.filter { !present.contains(target[$0]) }
        return try missing.isEmpty ? sum : g.expand(g.unsqueeze(sum, missing), like: x)
    }

    /// Letters of an operand, each once: a diagonal's second letter becomes a new one, tied by a unit matrix.
    private static func separate(
        _ g: inout Gradients, _ equation: Equation, _ x: ValueID, _ index: Int, _ terms: inout [[Character]], _ values: inout [ValueID]
    ) throws -> [Character] {
        var used = Set(equation.operands.joined()), seen = Set<Character>()
        var target: [Character] = []
        for (axis, letter) in equation.operands[index].enumerated() {
            if seen.insert(letter).inserted { target.append(letter); continue }
            let free = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".first { !used.contains($0) }
            guard let free, let size = try g.type(of: x).dims?[axis].value, size <= 1 << 12 else {
                throw Failure.unsupported("the diagonal's size follows only from data")
            }
            used.insert(free)
            let unit = try Tensor((0..<size * size).map { $0 % (size + 1) == 0 ? 1.0 : 0 }, [size, size])
            values.append(g.constant(try unit.converted(to: g.type(of: x).element)))
            terms.append([letter, free])
            target.append(free)
        }
        return target
    }
}
