/// The way of one image from its baseline, as the gradients lead it; all in double.
struct GuidedPath {
    private(set) var point: [Double]
    private(set) var attribution: [Double]
    private let start: [Double]
    private let end: [Double]
    private let fraction: Double
    private let distance: Double
    /// The present segment between two anchors.
    private var from: [Double] = []
    private var to: [Double] = []
    private var length = 0.0
    /// |gradient| of features that may still move, else infinity.
    private var slopes: [Double] = []

    private static let precision = 1e-9

    init(from start: [Double], to end: [Double], fraction: Double, distance: Double) {
        (self.start, self.end, self.fraction, self.distance) = (start, end, fraction, distance)
        point = start
        attribution = [Double](repeating: 0, count: start.count)
    }

    /// Begins the segment between two places on the straight path.
    mutating func enter(_ places: ClosedRange<Double>) {
        from = zip(start, end).map { $0 + places.lowerBound * ($1 - $0) }
        to = places.upperBound == 1 ? end : zip(start, end).map { $0 + places.upperBound * ($1 - $0) }
        point = from
        length = zip(from, to).reduce(0) { $0 + abs($1.1 - $1.0) }
    }

    /// Step `number` of so many of the segment: moves features of small gradient until the L1 distance to its end is what
    /// the straight path has.
    mutating func step(_ number: Int, of steps: Int, _ gradient: UnsafeBufferPointer<Float>) {
        guard length > 0, steps > 0 else { return }
        let share = Double(number + 1) / Double(steps)
        let low = max(share - distance, 0), high = min(share + distance, 1)
        let aim = length * (1 - share)
        slopes = gradient.map { abs(Double($0)) }
        // Each round lets more features arrive at their furthest place: there are no more rounds than features.
        for _ in 0...point.count {
            let before = point
            catchUp(low, high)
            let left = zip(point, to).reduce(0) { $0 + abs($1.1 - $1.0) }
            let isThere = abs(left - aim) <= GuidedPath.precision * max(1, left, aim)
            let moved = isThere ? 0 : advance(left - aim, high)
            for i in point.indices { attribution[i] += (point[i] - before[i]) * Double(gradient[i]) }
            if isThere || moved <= 1 { return }
        }
    }

    /// How far along its way a feature is furthest allowed.
    private func furthest(_ i: Int, _ high: Double) -> Double { from[i] + (to[i] - from[i]) * high }

    /// Features that fell behind the straight path move to the nearest place allowed.
    private mutating func catchUp(_ low: Double, _ high: Double) {
        for i in point.indices where to[i] != from[i] {
            if (point[i] - from[i]) / (to[i] - from[i]) < low { point[i] = from[i] + (to[i] - from[i]) * low }
        }
    }

    /// Moves the features of smallest gradient. Returns the share of their way that `gap` needs; above 1 they went all of
    /// it and more features are needed.
    private mutating func advance(_ gap: Double, _ high: Double) -> Double {
        for i in point.indices where point[i] == furthest(i, high) { slopes[i] = .infinity }
        let limit = slopes.lowerQuantile(fraction)
        let isChosen = slopes.map { $0 <= limit && $0 < .infinity }
        var way = 0.0
        for i in point.indices where isChosen[i] { way += abs(point[i] - furthest(i, high)) }
        guard way > 0 else { return isChosen.contains(true) ? .infinity : 0 }
        let share = gap / way
        for i in point.indices where isChosen[i] {
            let goal = furthest(i, high)
            point[i] = share > 1 ? goal : point[i] + (goal - point[i]) * share
        }
        return share
    }
}

extension [Double] {
    /// The element below which lies `fraction` of the others (NumPy's quantile, method `lower`), found without sorting.
    func lowerQuantile(_ fraction: Double) -> Double {
        guard !isEmpty else { return 0 }
        let rank = Swift.min(count - 1, Swift.max(0, Int(fraction * Double(count - 1))))
        var values = self
        return values.withUnsafeMutableBufferPointer { $0.select(rank) }
    }
}

extension UnsafeMutableBufferPointer<Double> {
    /// The element that would stand at `rank` if these were sorted (Hoare's selection; the middle of three is the pivot).
    fileprivate func select(_ rank: Int) -> Double {
        var low = 0, high = count - 1
        while low < high {
            let a = self[low], b = self[(low + high) / 2], c = self[high]
            let pivot = Swift.max(Swift.min(a, b), Swift.min(Swift.max(a, b), c))
            var i = low, j = high
            while i <= j {
                while self[i] < pivot { i += 1 }
                while self[j] > pivot { j -= 1 }
                if i <= j {
                    swapAt(i, j)
                    i += 1
                    j -= 1
                }
            }
            if rank <= j { high = j } else if rank >= i { low = i } else { break }
        }
        return self[rank]
    }
}
