/// Holds the area of a mask: the mean squared difference between its sorted values and those of a mask that is 1 on `area` of
/// the image and 0 elsewhere. Fong, Patrick & Vedaldi 2019, equation 3.
struct AreaConstraint {
    /// Share of the image.
    let area: Double

    /// The value, and its gradient at the mask. Equal values keep their order.
    func penalty(_ mask: [Float]) -> (value: Double, gradient: [Float]) {
        let count = mask.count, empty = Int(Double(count) * (1 - area))
        let order = mask.indices.sorted { mask[$0] != mask[$1] ? mask[$0] < mask[$1] : $0 < $1 }
        var gradient = [Float](repeating: 0, count: count), value = 0.0
        for (rank, pixel) in order.enumerated() {
            let difference = mask[pixel] - (rank < empty ? 0 : 1)
            value += Double(difference) * Double(difference)
            gradient[pixel] = 2 * difference / Float(count)
        }
        return (value / Double(max(1, count)), gradient)
    }
}
