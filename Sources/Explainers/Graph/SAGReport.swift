internal import Imaging
internal import Runtime
internal import Tensors

/// What was found for all images as tensors, numbers and JSON.
struct SAGReport {
    let found: [SAGFindings]
    let grid: PatchGrid
    let classes: [Int?]
    let style: DrawingStyle?
    let x: Tensor
    let layout: ImageLayout

    func findings() throws -> Findings {
        var findings = Findings(map: try maps(\.need))
        findings.tensors["frequency"] = try maps(\.frequency)
        findings.tensors["ordering"] = try maps(\.ordering.values)
        try addNodes(to: &findings)
        try addCounts(to: &findings)
        if let style { try addDrawings(style, to: &findings) }
        findings.warnings = found.indices.flatMap { index in
            found[index].warnings.map { found.count > 1 ? "image \(index): \($0)" : $0 }
        }
        findings.data = .object([
            "grid": .array([.integer(grid.rows), .integer(grid.columns)]), "patch_mask": .string(grid.mask.rawValue),
            "images": .array(found.indices.map { found[$0].json(target: classes.indices.contains($0) ? classes[$0] : nil) }),
        ])
        return findings
    }

    /// One value for each patch: images x 1 x rows x columns.
    private func maps(_ values: (SAGFindings) -> [Double]) throws -> Tensor {
        try Tensor(found.flatMap { values($0).map { Float($0) } }, [found.count, 1, grid.rows, grid.columns])
    }

    /// The nodes of all graphs as masks, with their scores and the images they belong to.
    private func addNodes(to findings: inout Findings) throws {
        let nodes = found.enumerated().flatMap { index, image in image.graph.nodes.map { (index, image, $0) } }
        guard !nodes.isEmpty else { return }
        let bits = nodes.flatMap { _, _, node in (0..<grid.count).map { UInt8(node.set.contains($0) ? 1 : 0) } }
        findings.tensors["node_masks"] = try Tensor(bits, [nodes.count, grid.rows, grid.columns])
        findings.tensors["node_scores"] = try Tensor(nodes.map { Float($1.scores.relative($2.set)) })
        findings.tensors["node_images"] = try Tensor(nodes.map { Int64($0.0) })
    }

    private func addDrawings(_ style: DrawingStyle, to findings: inout Findings) throws {
        var pictures: [Image] = [], vectors: [String] = [], dots: [String] = []
        for (index, image) in found.enumerated() {
            let photo = try GraphPhoto.image(style.picture, x, index, layout)
            let title = style.title ?? (classes.indices.contains(index) ? classes[index] : nil).map { "class \($0)" } ?? "score"
            let sheet = GraphSheet(image, title: title, shape: (photo.height, photo.width), tile: style.tile)
            pictures.append(try GraphPicture(sheet: sheet, grid: grid, photo: photo, theme: style.theme).draw())
            vectors.append(try GraphVector(sheet: sheet, grid: grid, photo: photo, logic: image.logic).text())
            dots.append(GraphDot(found: image, title: title).text())
        }
        findings.tensors["drawing"] = try GraphPhoto.stacked(pictures, ground: style.theme.ground)
        findings.tensors["svg"] = try Tensor(strings: vectors, [vectors.count])
        findings.tensors["dot"] = try Tensor(strings: dots, [dots.count])
    }

    private func addCounts(to findings: inout Findings) throws {
        let images = Double(max(1, found.count))
        let sizes = found.map { image in
            image.sets.reduce(0.0) { $0 + Double($1.count) } / Double(max(1, image.sets.count))
        }
        findings.tensors["minimal_sets"] = try Tensor(found.map { Int64($0.sets.count) })
        findings.tensors["minimal_set_size"] = try Tensor(sizes.map { Float($0) })
        findings.numbers["minimal_sets"] = found.reduce(0.0) { $0 + Double($1.sets.count) } / images
        findings.numbers["minimal_set_size"] = sizes.reduce(0, +) / images
        let counts = found.compactMap(\.counts)
        guard counts.count == found.count, let levels = counts.first?.levels else { return }
        findings.tensors["sub_explanations"] = try Tensor(counts.flatMap { $0.counts.map(Int64.init) }, [counts.count, levels.count])
        for (i, level) in levels.enumerated() {
            findings.numbers["sub_explanations_\(level)"] = counts.reduce(0.0) { $0 + Double($1.counts[i]) } / images
        }
    }
}
