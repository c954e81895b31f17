import CPellucid

/// Where the explained things are in photos, in the photos' own pixels.
struct Regions {
    private enum Source {
        case boxes([[Double]])
        /// By path, name, or name without its ending.
        case listed([String: [[Double]]])
        case folder(String)
    }

    private let source: Source

    /// "left,top,right,bottom;…", a JSON file, or a folder of masks.
    init(_ text: String) throws {
        if Files.isFolder(text) {
            source = .folder(text)
        } else if Files.exists(text) {
            source = .listed(try Regions.listed(text))
        } else {
            source = .boxes(
                try text.split(separator: ";").map { part in
                    let numbers = part.split(separator: ",").map { Double(String($0.filter { $0 != " " })) }
                    guard numbers.count == 4, !numbers.contains(nil) else {
                        throw ToolError(
                            usage: "--regions: '\(text)' is no file or folder, nor left,top,right,bottom")
                    }
                    return numbers.compactMap { $0 }
                })
        }
    }

    private static func listed(_ path: String) throws -> [String: [[Double]]] {
        guard let json = JSON(String(decoding: try Files.read(path), as: UTF8.self)), !json.members.isEmpty else {
            throw ToolError("\(path): expected an object from names of photos to lists of boxes")
        }
        var found: [String: [[Double]]] = [:]
        for (name, value) in json.members {
            let boxes = value.items.first?.double != nil ? [value] : value.items
            found[name] = try boxes.map { box in
                let numbers = box.items.compactMap(\.double)
                guard numbers.count == 4 else {
                    throw ToolError("\(path): '\(name)': a box is left, top, right, bottom; found \(box.text)")
                }
                return numbers
            }
        }
        return found
    }

    /// A mask of a photo's size, prepared as the photo is: 1 x height x width of the network's input, 1 inside. nil where
    /// nothing is known of the photo.
    func mask(of photo: Photo, _ picture: Picture, _ preparation: Preparation, _ frame: Frame) throws -> Tensor? {
        guard let drawn = try drawing(of: photo, picture) else { return nil }
        let seen = try drawn.fitted(preparation, height: frame.height, width: frame.width).tensor
        let pixels = try seen.bytes(), count = seen.shape[0] * seen.shape[1]
        let inside: [Float] = (0..<count).map { pixels[$0 * (pixels.count / count)] > 127 ? 1 : 0 }
        return try Tensor(NumpyArray(inside, [1, seen.shape[0], seen.shape[1]]))
    }

    private func drawing(of photo: Photo, _ picture: Picture) throws -> Picture? {
        let boxes: [[Double]]
        switch source {
        case .folder(let folder):
            let name = "\(folder)/\(photo.name).png"
            return Files.exists(name) ? try Picture(Files.read(name), name) : nil
        case .boxes(let all): boxes = all
        case .listed(let all):
            let file = photo.path.split(separator: "/").last.map(String.init) ?? photo.path
            guard let found = all[photo.path] ?? all[file] ?? all[photo.name] ?? all[Files.stem(photo.path)] else { return nil }
            boxes = found
        }
        let height = picture.tensor.shape[0], width = picture.tensor.shape[1]
        var pixels = [UInt8](repeating: 0, count: height * width * 3)
        func clamped(_ value: Double, _ limit: Int) -> Int { Int(min(max(value.rounded(), 0), Double(limit))) }
        for box in boxes {
            let left = clamped(box[0], width), top = clamped(box[1], height)
            for y in top..<max(top, clamped(box[3], height)) {
                for x in left..<max(left, clamped(box[2], width)) {
                    for channel in 0..<3 { pixels[(y * width + x) * 3 + channel] = 255 }
                }
            }
        }
        return Picture(try Tensor(NumpyArray(PELLUCID_UINT8, [height, width, 3], pixels)))
    }
}
