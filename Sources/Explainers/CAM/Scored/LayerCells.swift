/// Where the elements of one image's activation lie, in the layer's own order of axes.
struct LayerCells {
    let channels: Int
    /// Every position, prefix tokens included.
    let everywhere: Range<Int>
    /// The positions that form the map, row by row.
    let map: Range<Int>
    let placeStride: Int
    let channelStride: Int

    init(_ shape: [Int], _ layout: LayerLayout) {
        if layout == .channelsFirst {
            channels = shape[1]
            let count = shape.dropFirst(2).reduce(1, *)
            (everywhere, map, placeStride, channelStride) = (0..<count, 0..<count, 1, count)
            return
        }
        channels = shape[shape.count - 1]
        let count = shape.dropFirst().dropLast().reduce(1, *)
        (everywhere, placeStride, channelStride) = (0..<count, channels, 1)
        if case .tokens(let prefix, _, _) = layout { map = prefix..<count } else { map = everywhere }
    }
}
