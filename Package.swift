// swift-tools-version: 6.2
import Glibc
import PackageDescription

// Targets in dependency order, top to bottom; docs/architecture.md explains the direction of imports.

let root = Context.packageDirectory
/// `PELLUCID_SANITIZE=address swift test …` needs undefined symbols in the shared library.
let sanitized = Context.environment["PELLUCID_SANITIZE"] != nil
/// The shipped library holds its own copy of OpenBLAS; `PELLUCID_OPENBLAS=dynamic` links the system's instead.
let dynamicBLAS = Context.environment["PELLUCID_OPENBLAS"] == "dynamic"
/// The same holds for libpng, libjpeg and zlib: `PELLUCID_IMAGES=dynamic`.
let dynamicImages = Context.environment["PELLUCID_IMAGES"] == "dynamic"

#if arch(arm64)
    let machine = "aarch64"
#else
    let machine = "x86_64"
#endif

let libraries = "/usr/lib/\(machine)-linux-gnu"
/// WebP is read where libwebp is present; `PELLUCID_WEBP=no` leaves it out.
let hasWebP =
    Context.environment["PELLUCID_WEBP"] != "no" && access("\(libraries)/libwebp.\(dynamicImages ? "so" : "a")", R_OK) == 0

let contract: [CSetting] = [.headerSearchPath("../../include")]
let strict: [SwiftSetting] = [
    // Headers of C targets include the contract as <pellucid/…>.
    .unsafeFlags(["-Xcc", "-I\(root)/include"]),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
]

let package = Package(
    name: "pellucid",
    products: [
        .library(name: "pellucid", type: .dynamic, targets: ["Dylib"]),
        .executable(name: "pellucid-tool", targets: ["Tool"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2")
    ],
    targets: [
        // The public contract, and what Swift cannot express.
        .systemLibrary(name: "CPellucid", path: "include"),
        .target(
            name: "CSupport", cSettings: contract + (hasWebP ? [.define("PELLUCID_WEBP")] : []),
            linkerSettings: (["png16", "jpeg", "z"] + (hasWebP ? ["webp"] : [])).map {
                .linkedLibrary(dynamicImages ? $0 : ":lib\($0).a")
            }),
        .target(
            name: "COnnx", exclude: ["pellucid_onnx.proto", "generate.sh"], linkerSettings: [.linkedLibrary("protobuf-lite")]),

        // The library, bottom up.
        .target(name: "Tensors", dependencies: ["CSupport"], swiftSettings: strict),
        .target(name: "Graphs", dependencies: ["Tensors", "COnnx", "CSupport"], swiftSettings: strict),
        .target(
            name: "BackendCPU", cSettings: contract + (dynamicBLAS ? [] : [.define("PELLUCID_OPENBLAS_STATIC")]), linkerSettings: blas()),
        .target(name: "Runtime", dependencies: ["Graphs", "CPellucid", "BackendCPU", "CSupport"], swiftSettings: strict),
        .target(name: "Imaging", dependencies: ["Tensors", "CSupport"], swiftSettings: strict),
        .target(name: "Explainers", dependencies: ["Runtime", "Imaging"], swiftSettings: strict),
        .target(name: "Evaluation", dependencies: ["Explainers"], swiftSettings: strict),
        .target(name: "CAPI", dependencies: ["Evaluation", "CPellucid", "CSupport"], swiftSettings: strict),

        // The products.
        .target(name: "Dylib", dependencies: ["CAPI"], linkerSettings: [.unsafeFlags(dylibFlags())]),
        .executableTarget(
            name: "Tool",
            dependencies: ["CPellucid", "CAPI", .product(name: "ArgumentParser", package: "swift-argument-parser")]),
    ] + tests(),
    cLanguageStandard: .gnu17,
    cxxLanguageStandard: .cxx17
)

/// Flags of `libpellucid.so` alone: they must not reach the test bundle.
func dylibFlags() -> [String] {
    let script = "\(root)/include/pellucid.map"
    let link =
        ["-soname=libpellucid.so.0", "--version-script=\(script)", "--gc-sections", "-z", "nodelete"] + (sanitized ? [] : ["-z", "defs"])
        // Debian's archives reach for stderr as only programs may; standard_error.c has one of our own for them.
        + (dynamicImages ? [] : ["--defsym=stderr=support_standard_error"])
    return ["-static-stdlib"] + link.flatMap { ["-Xlinker", $0] }
}

/// The serial archive: it starts no threads; `openblas_memory.c` replaces its allocator, which is not safe to share.
func blas() -> [LinkerSetting] {
    if dynamicBLAS { return [.linkedLibrary("openblas")] }
    return [.unsafeFlags(["-L\(libraries)/openblas-serial"]), .linkedLibrary(":libopenblas.a")]
}

func tests() -> [Target] {
    [
        .testTarget(name: "ArchitectureTests"),
        .testTarget(name: "TensorsTests", dependencies: ["Tensors"]),
        .testTarget(name: "RuntimeTests", dependencies: ["Runtime", "Graphs", "Tensors"]),
        .testTarget(name: "ExplainersTests", dependencies: ["Explainers", "Runtime", "Graphs", "Tensors"]),
        .testTarget(name: "EvaluationTests", dependencies: ["Evaluation", "Explainers", "Runtime", "Graphs", "Tensors"]),
        // Debian's libonnx, to compare our reader with.
        .target(name: "OnnxOracle", path: "Tests/OnnxOracle", linkerSettings: [.linkedLibrary("onnx_proto"), .linkedLibrary("protobuf")]),
        .testTarget(name: "GraphsTests", dependencies: ["Graphs", "Tensors", "OnnxOracle"]),
        .testTarget(name: "ImagingTests", dependencies: ["Imaging", "Tensors"], exclude: ["generate.py", "segmentation.py"]),
    ]
}
