internal import Glibc
internal import Tensors

/// Fills removed pixels so that each is the weighted mean of its eight neighbours (1/6 beside, 1/12 across corners; those
/// outside the image do not count), plus noise. Rong et al. 2022, "ROAD", section 5.2.
struct NoisyLinearImputation {
    private static let neighbours: [(dy: Int, dx: Int, weight: Float)] = [
        (-1, -1, 1.0 / 12), (-1, 0, 1.0 / 6), (-1, 1, 1.0 / 12), (0, -1, 1.0 / 6), (0, 1, 1.0 / 6), (1, -1, 1.0 / 12), (1, 0, 1.0 / 6),
        (1, 1, 1.0 / 12),
    ]

    let height: Int
    let width: Int
    let noise: Float

    /// One image, channels x height x width, with the pixels filled where `isRemoved`. At least one pixel must stay.
    func filled(_ image: Tensor, _ isRemoved: [Bool], _ random: Random) throws -> Tensor {
        let system = System(isRemoved, height: height, width: width)
        let pixels = height * width
        return try image.read(Float.self) { x in
            try Tensor.make(image.shape, Float.self) { out in
                _ = out.update(fromContentsOf: x)
                guard !system.places.isEmpty, system.places.count < pixels else { return }
                for channel in 0..<(x.count / pixels) {
                    let plane = UnsafeMutableBufferPointer(rebasing: out[(channel * pixels)..<((channel + 1) * pixels)])
                    system.solve(plane)
                    guard noise > 0 else { continue }
                    try Tensor.make([pixels], Float.self) { Random(random, channel).fillNormal($0) }.read(Float.self) { normal in
                        for place in system.places { plane[place] += noise * normal[place] }
                    }
                }
            }
        }
    }

    /// `sum_j w_ij (v_i - v_j) = 0` for every removed pixel i: symmetric and positive, solved by conjugate gradients.
    private struct System {
        /// The removed pixels.
        let places: [Int]
        /// For each, its neighbours: the index of a removed one, or -1 - the pixel of one that stays.
        private var links: [(to: Int, weight: Float)] = []
        private var starts: [Int] = [0]
        private var diagonal: [Float] = []

        init(_ isRemoved: [Bool], height: Int, width: Int) {
            places = isRemoved.indices.filter { isRemoved[$0] }
            var index = [Int](repeating: 0, count: isRemoved.count)
            for (position, place) in places.enumerated() { index[place] = position }
            for place in places {
                var sum: Float = 0
                for (dy, dx, weight) in neighbours {
                    let y = place / width + dy, x = place % width + dx
                    guard (0..<height).contains(y), (0..<width).contains(x) else { continue }
                    let other = y * width + x
                    links.append((isRemoved[other] ? index[other] : -1 - other, weight))
                    sum += weight
                }
                diagonal.append(sum)
                starts.append(links.count)
            }
        }

        func solve(_ plane: UnsafeMutableBufferPointer<Float>) {
            var right = [Float](repeating: 0, count: places.count)
            var mean = 0.0, known = 0
            for row in places.indices {
                for link in links[starts[row]..<starts[row + 1]] where link.to < 0 {
                    right[row] += link.weight * plane[-1 - link.to]
                    mean += Double(plane[-1 - link.to])
                    known += 1
                }
            }
            // From the mean of what surrounds the hole.
            let start = Float(mean / Double(max(1, known)))
            let solution = conjugateGradients(right, [Float](repeating: start, count: places.count))
            for (row, place) in places.enumerated() { plane[place] = solution[row] }
        }

        private func times(_ v: [Float], into result: inout [Float]) {
            v.withUnsafeBufferPointer { v in
                links.withUnsafeBufferPointer { links in
                    for row in diagonal.indices {
                        var sum = diagonal[row] * v[row]
                        for at in starts[row]..<starts[row + 1] where links[at].to >= 0 { sum -= links[at].weight * v[links[at].to] }
                        result[row] = sum
                    }
                }
            }
        }

        /// Preconditioned by the diagonal; until the residual is a millionth of the right side.
        private func conjugateGradients(_ right: [Float], _ start: [Float]) -> [Float] {
            var x = start, product = [Float](repeating: 0, count: x.count)
            times(x, into: &product)
            var residual = zip(right, product).map { $0 - $1 }
            var z = zip(residual, diagonal).map { $0 / $1 }
            var direction = z
            var energy = dot(residual, z)
            let limit = 1e-12 * max(dot(right, zip(right, diagonal).map { $0 / $1 }), 1e-30)
            for _ in 0..<(20 + 4 * (x.count + 1)) where energy > limit {
                times(direction, into: &product)
                let step = Float(energy / max(dot(direction, product), 1e-300))
                for i in x.indices {
                    x[i] += step * direction[i]
                    residual[i] -= step * product[i]
                    z[i] = residual[i] / diagonal[i]
                }
                let next = dot(residual, z)
                let ratio = Float(next / energy)
                energy = next
                for i in x.indices { direction[i] = z[i] + ratio * direction[i] }
            }
            return x
        }

        private func dot(_ a: [Float], _ b: [Float]) -> Double {
            var sum = 0.0
            for i in a.indices { sum += Double(a[i]) * Double(b[i]) }
            return sum
        }
    }
}

extension Random {
    /// A stream of its own for a part of another one's work.
    fileprivate init(_ base: Random, _ part: Int) { self.init(seed: UInt64(base.block(UInt64(part)).0) << 32 | UInt64(part)) }
}
