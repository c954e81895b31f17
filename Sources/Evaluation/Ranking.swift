internal import Tensors

/// The order in which a map ranks its places.
enum Ranking {
    /// Position of each place, the largest value first; equal ones keep their order, so that flat maps give the same result
    /// everywhere.
    static func descending(_ plane: UnsafeBufferPointer<Float>) -> [Int32] {
        let order = plane.indices.sorted { (plane[$1], $0) < (plane[$0], $1) }
        return positions(order)
    }

    /// The inverse of an order.
    static func positions(_ order: [Int]) -> [Int32] {
        var ranks = [Int32](repeating: 0, count: order.count)
        for (position, place) in order.enumerated() { ranks[place] = Int32(truncatingIfNeeded: position) }
        return ranks
    }

    /// Of each plane of a stack.
    static func descending(_ planes: Tensor) throws -> [[Int32]] {
        let images = planes.shape.first ?? 1, places = planes.count / max(1, images)
        return try planes.read(Float.self) { all in
            (0..<images).map { descending(UnsafeBufferPointer(rebasing: all[($0 * places)..<(($0 + 1) * places)])) }
        }
    }

    /// Images whose map is the same everywhere: their order is none of the method's.
    static func flat(_ planes: Tensor) throws -> [Int] {
        let images = planes.shape.first ?? 1, places = planes.count / max(1, images)
        return try planes.read(Float.self) { all in
            (0..<images).filter { image in
                let first = all[image * places]
                return all[(image * places)..<((image + 1) * places)].allSatisfy { $0 == first }
            }
        }
    }

    /// What a verdict says of flat maps.
    static func warnings(_ planes: Tensor) throws -> [String] {
        let flat = try flat(planes)
        return flat.isEmpty
            ? []
            : ["the map is the same everywhere (image \(flat.map(String.init).joined(separator: ", "))): its order is by position alone"]
    }
}
