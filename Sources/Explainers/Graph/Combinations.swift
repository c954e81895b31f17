/// All sets of one size out of some patches, in lexicographic order of their places.
struct Combinations {
    private let patches: [Int]
    private let size: Int

    init(of patches: [Int], size: Int) {
        self.patches = patches
        self.size = size
    }

    /// How many there are; saturates.
    static func count(_ patches: Int, _ size: Int) -> Int {
        guard (0...patches).contains(size) else { return 0 }
        var result = 1
        for i in 0..<min(size, patches - size) {
            let (product, isTooLarge) = result.multipliedReportingOverflow(by: patches - i)
            if isTooLarge { return 1 << 62 }
            result = product / (i + 1)
        }
        return result
    }

    /// Calls `body` with up to `chunk` sets at a time.
    func forEachChunk(_ chunk: Int, _ body: ([PatchSet]) throws -> Void) throws {
        guard size <= patches.count else { return }
        var places = Array(0..<size), sets: [PatchSet] = []
        while true {
            sets.append(PatchSet(places.map { patches[$0] }))
            if sets.count == chunk {
                try body(sets)
                sets.removeAll(keepingCapacity: true)
            }
            guard let last = places.indices.last(where: { places[$0] < patches.count - size + $0 }) else { break }
            places[last] += 1
            for place in places.indices where place > last { places[place] = places[place - 1] + 1 }
        }
        if !sets.isEmpty { try body(sets) }
    }
}
