// swift-format-ignore-file
// Made by segmentation.py with scikit-image 0.26.0; not edited by hand.

enum SegmentationGolden {
    /// A part of a photo: its name, first row and column, height and width.
    typealias Part = (name: String, top: Int, left: Int, height: Int, width: Int)

    static let felzenszwalb: [(part: Part, scale: Double, sigma: Double, minSize: Int, count: Int, sum: UInt64)] = [
        (Part("chelsea.png", 60, 110, 64, 96), 50, 0.8, 20, 42, 465431966),
        (Part("chelsea.png", 60, 110, 64, 96), 250, 0.8, 40, 10, 68805568),
        (Part("chelsea.png", 60, 110, 64, 96), 1200, 0.5, 5, 9, 3563495),
        (Part("chelsea.png", 60, 110, 64, 96), 100, 0, 1, 190, 2155858858),
        (Part("coffee.png", 120, 200, 80, 72), 50, 0.8, 20, 29, 171951857),
        (Part("coffee.png", 120, 200, 80, 72), 250, 0.8, 40, 8, 45196101),
        (Part("coffee.png", 120, 200, 80, 72), 1200, 0.5, 5, 6, 40283220),
        (Part("coffee.png", 120, 200, 80, 72), 100, 0, 1, 203, 1601766840),
        (Part("astronaut.png", 20, 180, 72, 88), 50, 0.8, 20, 60, 727125480),
        (Part("astronaut.png", 20, 180, 72, 88), 250, 0.8, 40, 11, 78568200),
        (Part("astronaut.png", 20, 180, 72, 88), 1200, 0.5, 5, 12, 12480261),
        (Part("astronaut.png", 20, 180, 72, 88), 100, 0, 1, 261, 3209409329),
    ]

    static let slic: [(part: Part, segments: Int, compactness: Double, iterations: Int, sigma: Double, isLab: Bool, count: Int, sum: UInt64)] = [
        (Part("chelsea.png", 60, 110, 64, 96), 40, 10.0, 10, 0.0, true, 36, 438318832),
        (Part("chelsea.png", 60, 110, 64, 96), 90, 20.0, 4, 1.0, true, 94, 1152614950),
        (Part("chelsea.png", 60, 110, 64, 96), 25, 0.1, 10, 0.0, false, 15, 162883836),
        (Part("chelsea.png", 60, 110, 64, 96), 7000, 10.0, 3, 0.0, true, 6144, 4294965248),
        (Part("coffee.png", 120, 200, 80, 72), 40, 10.0, 10, 0.0, true, 34, 366823239),
        (Part("coffee.png", 120, 200, 80, 72), 90, 20.0, 4, 1.0, true, 80, 879100706),
        (Part("coffee.png", 120, 200, 80, 72), 25, 0.1, 10, 0.0, false, 20, 235344986),
        (Part("coffee.png", 120, 200, 80, 72), 7000, 10.0, 3, 0.0, true, 5760, 3571447936),
        (Part("astronaut.png", 20, 180, 72, 88), 40, 10.0, 10, 0.0, true, 34, 402440591),
        (Part("astronaut.png", 20, 180, 72, 88), 90, 20.0, 4, 1.0, true, 98, 1276726678),
        (Part("astronaut.png", 20, 180, 72, 88), 25, 0.1, 10, 0.0, false, 14, 126073281),
        (Part("astronaut.png", 20, 180, 72, 88), 7000, 10.0, 3, 0.0, true, 6336, 3181639616),
    ]
}
