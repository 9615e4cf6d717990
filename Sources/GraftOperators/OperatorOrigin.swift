import GraftExecution
import GraftFiles

/// What the operators of a domain belong to, and what to do about them.
enum OperatorOrigin {
  /// - Parameters:
  ///   - names: the unknown operators of the domain
  ///   - functions: the functions that the model's file defines, with their domains
  static func description(
    of domain: String, _ names: [String], functions: [ByteString]
  ) -> String {
    if domain.isEmpty { return standard(names) }
    let own = functions.map(\.text).filter { $0.hasPrefix("\(domain).") }
    if !own.isEmpty {
      let near = nearestNamesHint("\(domain).\(names[0])", among: own).map { " \($0)" } ?? ""
      return "\(domain): a domain of the model's functions, which does not define "
        + "\(names.listed()).\(near)"
    }
    let known = domains.first { entry in
      entry.isPrefix ? domain.hasPrefix(entry.domain) : domain == entry.domain
    }
    return "\(domain): \(known?.text ?? other)"
  }

  /// Unknown operators of ONNX's own domain.
  private static func standard(_ names: [String]) -> String {
    let old = names.filter { experimental.contains($0) }
    guard !old.isEmpty else {
      let known = OperatorCatalog.operators.map { $0.schema }
      let elsewhere = known.first { names.contains($0.name) && !$0.domain.isEmpty }
      if let elsewhere, elsewhere.domain != "graft" {
        return "ai.onnx has no \(elsewhere.name); \(elsewhere.domain) has one"
      }
      let own = known.filter { $0.domain.isEmpty }.map(\.name)
      let near = nearestNamesHint(names[0], among: own).map { " \($0)" } ?? ""
      return "ai.onnx: not operators of ONNX; export the model without custom operators.\(near)"
    }
    return "ai.onnx: \(old.listed()) "
      + (old.count == 1 ? "was an experimental operator" : "were experimental operators")
      + ", which ONNX 1.5 removed; export the model with a newer converter"
  }

  /// Operators of ONNX's domain before version 1.5 that never were part of the standard, but for
  /// those that Graft has.
  private static let experimental: Set = [
    "ATen", "ConstantFill", "DynamicSlice", "GRUUnit", "GivenTensorFill", "LoopIndexTensor",
  ]

  private struct Entry {
    let domain: String
    let text: String
    var isPrefix = false
  }

  private static let other =
    "not a domain of ONNX; the program or library that exported the model defines its operators"

  /// The first that fits counts.
  private static let domains: [Entry] = [
    Entry(
      domain: OperatorDomain.microsoft,
      text: "onnxruntime's own operators; export without its optimizer"),
    Entry(
      domain: "com.microsoft.nchwc",
      text: "onnxruntime's own layout for one processor; save the model before its optimizer, or "
        + "with its level 'basic'"),
    Entry(
      domain: "com.ms.internal.nhwc",
      text: "onnxruntime's own layout; save the model before its optimizer"),
    Entry(
      domain: "com.ms.", text: "onnxruntime's own operators; export without its optimizer",
      isPrefix: true),
    Entry(
      domain: "com.microsoft.", text: "onnxruntime's own operators; export without its optimizer",
      isPrefix: true),
    Entry(
      domain: "ai.onnx.contrib",
      text: "onnxruntime-extensions, such as tokenizers; export the model without them"),
    Entry(
      domain: "ai.onnx.preview.training", text: "ONNX's training operators, of a newer version"),
    Entry(domain: "ai.onnx.preview", text: "ONNX's preview operators, of a newer version"),
    Entry(domain: "ai.onnx.training", text: "ONNX's training operators, of a newer version"),
    Entry(domain: OperatorDomain.machineLearning, text: "not operators of this domain"),
    Entry(
      domain: "ai.onnx.converters.", text: "a converter's own operators; use a newer version of it",
      isPrefix: true),
    Entry(
      domain: "org.pytorch.aten",
      text: "PyTorch's fallback; export with OperatorExportTypes.ONNX"),
    Entry(
      domain: "aten", text: "PyTorch's fallback; export with OperatorExportTypes.ONNX"),
    Entry(domain: "prim", text: "PyTorch's fallback; export with OperatorExportTypes.ONNX"),
    Entry(
      domain: "org.pytorch.", text: "PyTorch's own operators; export with OperatorExportTypes.ONNX",
      isPrefix: true),
    Entry(
      domain: "pkg.onnxscript.",
      text: "functions of PyTorch's exporter, which the file does not define; export it again",
      isPrefix: true),
    Entry(
      domain: "pkg.", text: "modules of PyTorch as functions, which the file does not define",
      isPrefix: true),
    Entry(
      domain: "onnxscript.", text: "functions of onnxscript, which the file does not define",
      isPrefix: true),
    Entry(domain: "mmdeploy", text: "OpenMMLab's custom operators; export without them"),
    Entry(domain: "mmcv", text: "OpenMMLab's custom operators; export without them"),
    Entry(domain: "TRT", text: "TensorRT's plugins; export without them"),
    Entry(domain: "trt", text: "TensorRT's plugins; export without them"),
    Entry(domain: "trt.", text: "TensorRT's plugins; export without them", isPrefix: true),
    Entry(
      domain: "org.openvinotoolkit", text: "OpenVINO's own operators; export for onnxruntime"),
    Entry(domain: "ai.graphcore", text: "Graphcore's own operators"),
    Entry(
      domain: "com.amd.quark", text: "AMD Quark's quantizer; export with QuantizeLinear instead"),
    Entry(
      domain: "com.vai.quantize",
      text: "Vitis AI's quantizer; export with QuantizeLinear instead"),
    Entry(
      domain: "qonnx.", text: "QONNX's quantizers; convert them to QuantizeLinear (QCDQ)",
      isPrefix: true),
    Entry(
      domain: "onnx.brevitas", text: "Brevitas's quantizers; export to QCDQ instead"),
    Entry(domain: "finn.", text: "FINN's own operators", isPrefix: true),
    Entry(domain: "qti_aisw", text: "Qualcomm's own operators"),
    Entry(
      domain: "graft.older-form",
      text: "operators of an old opset that cannot be converted"),
  ]
}
