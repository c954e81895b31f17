internal import Tensors

/// Points that fill the unit cube evenly: the designs from which sensitivity is estimated.
struct PointSet {
    /// How points are chosen.
    enum Sampler: String, CaseIterable {
        /// Sobol's sequence without its first point, the origin, as TensorFlow gives it.
        case sobol
        /// Halton's sequence, the digits of each dimension permuted at random: without that its high dimensions go together.
        case halton
        /// Latin hypercube: along each dimension one point in each of as many equal parts.
        case lhs
        /// Independent uniform numbers.
        case random
    }

    let sampler: Sampler
    let dimensions: Int
    let seed: UInt64

    /// Points x dimensions.
    func callAsFunction(_ count: Int) throws -> Tensor {
        switch sampler {
        case .sobol: try sobol(count)
        case .halton: try halton(count)
        case .lhs: try latin(count)
        case .random: try filled(count) { point, dimension in random(dimension).uniform(UInt64(point)) }
        }
    }

    private func random(_ dimension: Int) -> Random { Random(seed: seed, stream: 1 << 49 | UInt64(dimension)) }

    private func filled(_ count: Int, _ value: (_ point: Int, _ dimension: Int) -> Double) throws -> Tensor {
        try Tensor.make([count, dimensions], Float.self) { out in
            for dimension in 0..<dimensions {
                for point in 0..<count { out[point * dimensions + dimension] = Float(value(point, dimension)) }
            }
        }
    }

    // MARK: Sobol

    /// Bratley & Fox 1988, "Algorithm 659", in the order of the Gray code.
    private func sobol(_ count: Int) throws -> Tensor {
        let directions = try PointSet.directions(dimensions)
        return try filled(count) { point, dimension in
            let number = UInt32(truncatingIfNeeded: point + 1), code = number ^ (number >> 1)
            var bits: UInt32 = 0
            for bit in 0..<32 where code >> UInt32(bit) & 1 == 1 { bits ^= directions[dimension * 32 + bit] }
            return Double(bits) * 0x1p-32
        }
    }

    /// 32 direction numbers of each dimension, as fractions of 2^32.
    private static func directions(_ dimensions: Int) throws -> [UInt32] {
        // The first dimension has no polynomial: its numbers are the powers of 1/2.
        var result = (0..<32).map { UInt32(1) << UInt32(31 - $0) }
        let rows = SobolDirections.table.split(separator: ";").prefix(dimensions - 1)
        for row in rows {
            let numbers = row.split { $0 == " " || $0 == "\n" }.compactMap { UInt32($0) }
            guard let polynomial = numbers.first, numbers.count > 1 else { continue }
            let degree = numbers.count - 1
            var v = (0..<degree).map { numbers[$0 + 1] << UInt32(31 - $0) }
            for i in degree..<32 {
                var next = v[i - degree] ^ (v[i - degree] >> UInt32(degree))
                for k in 1..<degree where polynomial >> UInt32(degree - k) & 1 == 1 { next ^= v[i - k] }
                v.append(next)
            }
            result += v
        }
        guard result.count >= dimensions * 32 else {
            throw Failure.unsupported(
                "Sobol's sequence is known for \(result.count / 32) dimensions here, \(dimensions) are needed: choose a smaller grid_size, or sampler halton, lhs or random"
            )
        }
        return result
    }

    // MARK: Halton

    private func halton(_ count: Int) throws -> Tensor {
        let primes = PointSet.primes(dimensions)
        var permutations: [[Int]] = []
        for dimension in 0..<dimensions { permutations.append(permutation(of: primes[dimension], dimension)) }
        return try filled(count) { point, dimension in
            let base = primes[dimension]
            var rest = point + 1, weight = 1.0, value = 0.0
            // Digits beyond the number are permuted zeros: enough of them for float32.
            while weight > 0x1p-26 {
                weight /= Double(base)
                value += weight * Double(permutations[dimension][rest % base])
                rest /= base
            }
            return min(value, 1 - 0x1p-24)
        }
    }

    private static func primes(_ count: Int) -> [Int] {
        var found: [Int] = []
        var candidate = 2
        while found.count < count {
            if found.prefix(while: { $0 * $0 <= candidate }).allSatisfy({ candidate % $0 != 0 }) { found.append(candidate) }
            candidate += 1
        }
        return found
    }

    // MARK: Latin hypercube

    private func latin(_ count: Int) throws -> Tensor {
        try Tensor.make([count, dimensions], Float.self) { out in
            for dimension in 0..<dimensions {
                let order = permutation(of: count, dimension), random = random(dimension)
                for point in 0..<count {
                    let inside = random.uniform(UInt64(count + point))
                    out[point * dimensions + dimension] = Float((Double(order[point]) + inside) / Double(count))
                }
            }
        }
    }

    /// Fisher and Yates's shuffle.
    private func permutation(of count: Int, _ dimension: Int) -> [Int] {
        let random = random(dimension)
        var order = Array(0..<count)
        for i in stride(from: count - 1, to: 0, by: -1) {
            order.swapAt(i, min(i, Int(random.uniform(UInt64(i)) * Double(i + 1))))
        }
        return order
    }
}
