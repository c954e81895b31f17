/// A set of patches of a grid, one bit each; the first patch is the lowest bit.
struct PatchSet: Hashable, Comparable, Sendable {
    private(set) var bits: UInt64 = 0

    static let empty = PatchSet()

    init() {}

    init(_ patches: some Sequence<Int>) { for patch in patches { insert(patch) } }

    /// Every patch of a grid of so many.
    static func all(_ count: Int) -> PatchSet { PatchSet(0..<count) }

    var count: Int { bits.nonzeroBitCount }
    var isEmpty: Bool { bits == 0 }

    /// In raster order.
    var patches: [Int] {
        var rest = bits, found: [Int] = []
        found.reserveCapacity(count)
        while rest != 0 {
            found.append(rest.trailingZeroBitCount)
            rest &= rest &- 1
        }
        return found
    }

    func contains(_ patch: Int) -> Bool { bits >> UInt64(patch) & 1 == 1 }
    func isSubset(of other: PatchSet) -> Bool { bits & ~other.bits == 0 }
    func overlap(_ other: PatchSet) -> Int { (bits & other.bits).nonzeroBitCount }

    mutating func insert(_ patch: Int) { bits |= 1 << UInt64(patch) }

    func adding(_ patch: Int) -> PatchSet {
        var set = self
        set.insert(patch)
        return set
    }

    func removing(_ patch: Int) -> PatchSet {
        var set = self
        set.bits &= ~(1 << UInt64(patch))
        return set
    }

    /// Each set with one patch less, in raster order of that patch.
    var withoutOne: [PatchSet] { patches.map(removing) }

    /// Smaller sets first, then in order of their patches: a total order, so that ties fall the same way everywhere.
    static func < (a: PatchSet, b: PatchSet) -> Bool {
        if a.count != b.count { return a.count < b.count }
        let differing = a.bits ^ b.bits
        return differing != 0 && a.bits & (differing & (0 &- differing)) != 0
    }
}
