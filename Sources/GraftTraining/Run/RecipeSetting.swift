/// A training setting: its key in recipe files, its help, and its key path in a ``Recipe``.
///
/// Recipe files and the help of options are derived from ``Recipe/settings``.
package struct RecipeSetting: Sendable {
  package let key: String
  /// The help of its option; empty if it has none.
  package let help: String
  /// The value's name in the help; `nil` for the option's name.
  package let valueName: String?
  package let path: any PartialKeyPath<Recipe> & Sendable
  let decode: @Sendable (inout Recipe, KeyedDecodingContainer<RecipeKey>) throws -> Void
  let encode: @Sendable (Recipe, inout KeyedEncodingContainer<RecipeKey>) throws -> Void

  /// A setting with a value in every recipe; its help ends with the default.
  static func required<Value: Codable & Sendable>(
    _ key: String, _ path: any WritableKeyPath<Recipe, Value> & Sendable, _ help: String = ""
  ) -> RecipeSetting {
    RecipeSetting(
      key: key,
      help: help.isEmpty ? "" : "\(help) (\(Recipe.defaults { "\($0[keyPath: path])" })).",
      valueName: nil, path: path,
      decode: { recipe, values in
        guard let value = try values.decodeIfPresent(Value.self, forKey: RecipeKey(key)) else {
          return
        }
        recipe[keyPath: path] = value
      },
      encode: { try $1.encode($0[keyPath: path], forKey: RecipeKey(key)) })
  }

  /// A setting that recipes may omit.
  static func optional<Value: Codable & Sendable>(
    _ key: String, _ path: any WritableKeyPath<Recipe, Value?> & Sendable, _ help: String = "",
    valueName: String? = nil
  ) -> RecipeSetting {
    RecipeSetting(
      key: key, help: help, valueName: valueName, path: path,
      decode: { $0[keyPath: path] = try $1.decodeIfPresent(Value.self, forKey: RecipeKey(key)) },
      encode: { try $1.encodeIfPresent($0[keyPath: path], forKey: RecipeKey(key)) })
  }
}

extension Recipe {
  /// All settings, in their order in files.
  package static let settings = networkSettings + imageSettings + trainingSettings + exportSettings

  private static let networkSettings: [RecipeSetting] = [
    .required(
      "model", \.model,
      "The trunk: a name from `graft models list`, an ONNX file, or Keras weights"),
    .required("from_scratch", \.fromScratch),
    .optional(
      "weights", \.weights, "Weights to use instead of the official ones of a named model."),
    .optional(
      "cut", \.cut,
      "The node whose output the head reads (default: the one before the last layer)."),
    .required(
      "head", \.head,
      """
      The head's layers: gmp, gap, flatten, normalization, dropout(P), \
      dense(UNITS,ACTIVATION,l2=X), dense(classes); or keep, for the network's own
      """),
  ]

  private static let imageSettings: [RecipeSetting] = [
    .optional(
      "image_size", \.imageSize, "64 (both sides) or 320x240 (default: the trunk's own)."),
    .optional(
      "preprocess", \.preprocess,
      "keras-caffe, keras-tf, torch, unit or none (default: the trunk's own)."),
    .optional(
      "resize", \.resize,
      "224 (both sides), 320x240, shorter:256, or none (default: the trunk's own)."),
    .optional(
      "crop", \.crop,
      """
      224, 320x240 or none: the central crop after resizing (default: the trunk's own, limited by \
      --resize).
      """),
    .optional(
      "interpolation", \.interpolation,
      "nearest, bilinear, bicubic or tf-bilinear (default: the trunk's own)."),
    .optional(
      "ignore_orientation", \.ignoreOrientation,
      """
      Use images as stored, like Keras, instead of rotating them upright (default: like the \
      trunk, otherwise upright).
      """),
    .optional(
      "augment", \.augment,
      """
      Random changes of training images, or none: \
      \(AugmentationPipeline.usages.joined(separator: "; ")) (default: none).
      """, valueName: "changes"),
    .optional(
      "cached_augmentations", \.cachedAugmentations,
      """
      Cycle through this many fixed variants of each image, and cache the frozen trunk's features \
      of them (default: new variants in each epoch).
      """, valueName: "variants"),
  ]

  private static let trainingSettings: [RecipeSetting] = [
    .required(
      "split", \.split, "Percentages for training, validation and test, such as 70,15,15"),
    .required("batch_size", \.batchSize, "Images per step"),
    .required("seed", \.seed, "The seed of all random choices"),
    .required("shuffle", \.shuffle),
    .optional(
      "loss", \.loss,
      """
      \(Losses.usages.joined(separator: "; ")) (default: \(BinaryCrossEntropy.name) for two \
      classes, \(SoftmaxCrossEntropy.name) for more).
      """),
    .optional(
      "class_weights", \.classWeights,
      "Factors for the losses of classes: balanced, or cat=1,dog=2.5 (default: 1 for all)."),
    .optional(
      "gradient_clipping", \.gradientClipping,
      "A limit for gradients: value(0.5), norm(1) or global_norm(1) (default: none)."),
    .required(
      "accumulation_steps", \.accumulationSteps,
      "Steps whose gradients are averaged for one update of the weights"),
    .optional(
      "learning_rate_factors", \.learningRateFactors,
      "Factors for the learning rates of blocks and layers: block4=0.1,block5=0.3 (default: 1)."),
    .optional(
      "early_stopping", \.earlyStopping,
      """
      End a phase after this many epochs without a smaller (validation) loss, and use its best \
      epoch (default: run all epochs).
      """, valueName: "patience"),
    .optional("precision", \.precision),
  ]

  private static let exportSettings: [RecipeSetting] = [
    .optional(
      "export_type", \.exportType,
      """
      float32 (the default) or float16: the type of weights and computation in model.onnx. Inputs \
      and outputs stay float32.
      """),
    .optional(
      "fold_normalization", \.foldNormalization,
      "Fold BatchNormalization into the layers before it in model.onnx."),
    .optional(
      "export_training_checkpoint", \.exportTrainingCheckpoint,
      "Also write training.onnx, with dropout and logits, for more training with --head keep."),
    .required("phases", \.phases),
  ]

  /// A default for the help: that of `graft finetune`, and that of `graft train` if it differs.
  package static func defaults(_ value: (Recipe) -> String) -> String {
    let (finetune, train) = (value(Recipe()), value(.scratch))
    return finetune == train
      ? "default: \(finetune)" : "default: \(finetune); for graft train: \(train)"
  }
}
