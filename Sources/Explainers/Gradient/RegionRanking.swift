internal import Imaging

/// XRAI's order of regions: the one whose pixels that are still free have the highest mean attribution comes next.
/// Kapishnikov et al. 2019, algorithm 1; details as in PAIR's saliency.
struct RegionRanking {
    /// Each pixel's mean attribution over what its region added.
    private(set) var map: [Double]
    /// Each pixel's rank: 1 for the most important part.
    private(set) var ranks: [Int64]
    /// Parts that were ranked, in order of importance: pixels and mean attribution.
    private(set) var parts: [(pixels: Int, gain: Double)] = []

    private let attribution: [Double]
    private let masks: [[Int32]]
    private var isCovered: [Bool]
    /// The pixels that each choice added, and their mean.
    private var chosen: [(pixels: [Int32], gain: Double)] = []

    /// `isFull`: the gains of regions follow what is still free; else their order is that of their whole means.
    /// `least`: a region that would add fewer pixels is left out. `area`: the share of the image after which no more are added.
    init(_ attribution: [Double], _ regions: RegionMasks, isFull: Bool, least: Int, area: Double, poll: () throws -> Void) throws {
        self.attribution = attribution
        masks = regions.pixels
        isCovered = [Bool](repeating: false, count: attribution.count)
        map = [Double](repeating: 0, count: attribution.count)
        ranks = [Int64](repeating: 0, count: attribution.count)
        if isFull { try rankFree(least, area, poll) } else { try rankWhole(least, poll) }
        finish()
    }

    private func sum(_ pixels: [Int32]) -> Double { pixels.reduce(0) { $0 + attribution[Int($1)] } }

    /// Takes the free pixels of a mask.
    private mutating func take(_ mask: Int, gain: Double? = nil) -> [Int32] {
        let added = masks[mask].filter { !isCovered[Int($0)] }
        for pixel in added { isCovered[Int(pixel)] = true }
        chosen.append((added, gain ?? sum(added) / Double(max(1, added.count))))
        return added
    }

    /// Sums and counts of free pixels are kept for every mask: a pixel that is taken changes those that hold it.
    private mutating func rankFree(_ least: Int, _ area: Double, _ poll: () throws -> Void) throws {
        let holders = Holders(masks, pixels: attribution.count)
        var sums = masks.map(sum), counts = masks.map(\.count), remaining = Array(masks.indices), covered = 0
        while Double(covered) / Double(max(1, attribution.count)) <= area {
            try poll()
            remaining.removeAll { counts[$0] < max(1, least) }
            var best: (mask: Int, gain: Double)?
            for mask in remaining {
                let gain = sums[mask] / Double(counts[mask])
                if gain > best?.gain ?? -.infinity { best = (mask, gain) }
            }
            guard let best else { return }
            let added = take(best.mask, gain: best.gain)
            covered += added.count
            for pixel in added {
                for mask in holders.masks(of: Int(pixel)) {
                    sums[Int(mask)] -= attribution[Int(pixel)]
                    counts[Int(mask)] -= 1
                }
            }
            remaining.removeAll { $0 == best.mask }
        }
    }

    private mutating func rankWhole(_ least: Int, _ poll: () throws -> Void) throws {
        let gains = masks.map { $0.isEmpty ? -.infinity : sum($0) / Double($0.count) }
        for mask in masks.indices.sorted(by: { gains[$0] > gains[$1] || (gains[$0] == gains[$1] && $0 < $1) }) {
            try poll()
            guard masks[mask].count(where: { !isCovered[Int($0)] }) >= max(1, least) else { continue }
            _ = take(mask)
        }
    }

    /// What is left over is the last part; parts are numbered by their means.
    private mutating func finish() {
        var order = chosen.enumerated().sorted { a, b in
            a.element.gain > b.element.gain || (a.element.gain == b.element.gain && a.offset < b.offset)
        }.map(\.element)
        let rest = isCovered.indices.filter { !isCovered[$0] }.map { Int32($0) }
        if !rest.isEmpty { order.append((rest, sum(rest) / Double(rest.count))) }
        for (rank, part) in order.enumerated() {
            for pixel in part.pixels {
                map[Int(pixel)] = part.gain
                ranks[Int(pixel)] = Int64(rank + 1)
            }
            parts.append((part.pixels.count, part.gain))
        }
    }
}

/// The masks that hold each pixel.
private struct Holders {
    private var starts: [Int]
    private var entries: [Int32]

    init(_ masks: [[Int32]], pixels: Int) {
        starts = [Int](repeating: 0, count: pixels + 1)
        for mask in masks { for pixel in mask { starts[Int(pixel) + 1] += 1 } }
        for pixel in 0..<pixels { starts[pixel + 1] += starts[pixel] }
        var next = starts
        entries = [Int32](repeating: 0, count: starts[pixels])
        for (number, mask) in masks.enumerated() {
            for pixel in mask {
                entries[next[Int(pixel)]] = Int32(number)
                next[Int(pixel)] += 1
            }
        }
    }

    func masks(of pixel: Int) -> ArraySlice<Int32> { entries[starts[pixel]..<starts[pixel + 1]] }
}
