// Written by Tests/Golden/make_onnx_schema.py from onnx 1.23.2; not edited by hand.

extension OnnxSchema {
    static let table = """
        Abs 1 1 1 consumed_inputs:I
        Abs 6 1 1
        Acos 7 1 1
        Acosh 9 1 1
        Add 1 2 1 axis:i broadcast:i consumed_inputs:I
        Add 6 2 1 axis:i broadcast:i
        Add 7 2 1
        AffineGrid 20 2 1 align_corners:i
        And 1 2 1 axis:i broadcast:i
        And 7 2 1
        ArgMax 1 1 1 axis:i keepdims:i
        ArgMax 12 1 1 axis:i keepdims:i select_last_index:i
        ArgMin 1 1 1 axis:i keepdims:i
        ArgMin 12 1 1 axis:i keepdims:i select_last_index:i
        Asin 7 1 1
        Asinh 9 1 1
        Atan 7 1 1
        Atanh 9 1 1
        Attention 23 3-6 1-4 is_causal:i kv_num_heads:i q_num_heads:i qk_matmul_output_mode:i scale:f softcap:f softmax_precision:i
        Attention 24 3-7 1-4 is_causal:i kv_num_heads:i q_num_heads:i qk_matmul_output_mode:i scale:f softcap:f softmax_precision:i
        Attention 25 3-7 1-4 is_causal:i kv_num_heads:i left_window_size:i q_num_heads:i qk_matmul_output_mode:i right_window_size:i scale:f softcap:f softmax_precision:i
        AveragePool 1 1 1 auto_pad:s kernel_shape!I pads:I strides:I
        AveragePool 7 1 1 auto_pad:s count_include_pad:i kernel_shape!I pads:I strides:I
        AveragePool 10 1 1 auto_pad:s ceil_mode:i count_include_pad:i kernel_shape!I pads:I strides:I
        AveragePool 19 1 1 auto_pad:s ceil_mode:i count_include_pad:i dilations:I kernel_shape!I pads:I strides:I
        BatchNormalization 1 5 1-5 consumed_inputs!I epsilon:f is_test:i momentum:f spatial:i
        BatchNormalization 6 5 1-5 epsilon:f is_test:i momentum:f spatial:i
        BatchNormalization 7 5 1-5 epsilon:f momentum:f spatial:i
        BatchNormalization 9 5 1-5 epsilon:f momentum:f
        BatchNormalization 14 5 1-3 epsilon:f momentum:f training_mode:i
        Bernoulli 15 1 1 dtype:i seed:f
        BitCast 26 1 1 to!i
        BitShift 11 2 1 direction!s
        BitwiseAnd 18 2 1
        BitwiseNot 18 1 1
        BitwiseOr 18 2 1
        BitwiseXor 18 2 1
        BlackmanWindow 17 1 1 output_datatype:i periodic:i
        Cast 1 1 1 to!s
        Cast 6 1 1 to!i
        Cast 19 1 1 saturate:i to!i
        Cast 24 1 1 round_mode:s saturate:i to!i
        CastLike 15 2 1
        CastLike 19 2 1 saturate:i
        CastLike 24 2 1 round_mode:s saturate:i
        CausalConvWithState 27 2-4 2 activation:s
        Ceil 1 1 1 consumed_inputs:I
        Ceil 6 1 1
        Celu 12 1 1 alpha:f
        CenterCropPad 18 2 1 axes:I
        Clip 1 1 1 consumed_inputs:I max:f min:f
        Clip 6 1 1 max:f min:f
        Clip 11 1-3 1
        Col2Im 18 3 1 dilations:I pads:I strides:I
        Compress 9 2 1 axis:i
        Concat 1 1-* 1 axis:i
        Concat 4 1-* 1 axis!i
        ConcatFromSequence 11 1 1 axis!i new_axis:i
        Constant 1 0 1 value!t
        Constant 11 0 1 sparse_value:p value:t
        Constant 12 0 1 sparse_value:p value:t value_float:f value_floats:F value_int:i value_ints:I value_string:s value_strings:S
        ConstantOfShape 9 1 1 value:t
        Conv 1 2-3 1 auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
        ConvInteger 10 2-4 1 auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
        ConvTranspose 1 2-3 1 auto_pad:s dilations:I group:i kernel_shape:I output_padding:I output_shape:I pads:I strides:I
        Cos 7 1 1
        Cosh 9 1 1
        CumProd 26 2 1 exclusive:i reverse:i
        CumSum 11 2 1 exclusive:i reverse:i
        DFT 17 1-2 1 axis:i inverse:i onesided:i
        DFT 20 1-3 1 inverse:i onesided:i
        DeformConv 19 3-5 1 dilations:I group:i kernel_shape:I offset_group:i pads:I strides:I
        DepthToSpace 1 1 1 blocksize!i
        DepthToSpace 11 1 1 blocksize!i mode:s
        DequantizeLinear 10 2-3 1
        DequantizeLinear 13 2-3 1 axis:i
        DequantizeLinear 21 2-3 1 axis:i block_size:i
        DequantizeLinear 23 2-3 1 axis:i block_size:i output_dtype:i
        Det 11 1 1
        Div 1 2 1 axis:i broadcast:i consumed_inputs:I
        Div 6 2 1 axis:i broadcast:i
        Div 7 2 1
        Dropout 1 1 1-2 consumed_inputs:I is_test:i ratio:f
        Dropout 6 1 1-2 is_test:i ratio:f
        Dropout 7 1 1-2 ratio:f
        Dropout 12 1-3 1-2 seed:i
        DynamicQuantizeLinear 11 1 3
        Einsum 12 1-* 1 equation!s
        Elu 1 1 1 alpha:f consumed_inputs:I
        Elu 6 1 1 alpha:f
        Equal 1 2 1 axis:i broadcast:i
        Equal 7 2 1
        Erf 9 1 1
        Exp 1 1 1 consumed_inputs:I
        Exp 6 1 1
        Expand 8 2 1
        EyeLike 9 1 1 dtype:i k:i
        Flatten 1 1 1 axis:i
        Floor 1 1 1 consumed_inputs:I
        Floor 6 1 1
        GRU 1 3-6 2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i output_sequence:i
        GRU 3 3-6 0-2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i linear_before_reset:i output_sequence:i
        GRU 7 3-6 0-2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i linear_before_reset:i
        GRU 14 3-6 0-2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i linear_before_reset:i
        Gather 1 2 1 axis:i
        GatherElements 11 2 1 axis:i
        GatherND 11 2 1
        GatherND 12 2 1 batch_dims:i
        Gelu 20 1 1 approximate:s
        Gemm 1 3 1 alpha:f beta:f broadcast:i transA:i transB:i
        Gemm 7 3 1 alpha:f beta:f transA:i transB:i
        Gemm 11 2-3 1 alpha:f beta:f transA:i transB:i
        GlobalAveragePool 1 1 1
        GlobalLpPool 1 1 1 p:f
        GlobalLpPool 2 1 1 p:i
        GlobalMaxPool 1 1 1
        Greater 1 2 1 axis:i broadcast:i
        Greater 7 2 1
        GreaterOrEqual 12 2 1
        GridSample 16 2 1 align_corners:i mode:s padding_mode:s
        GroupNormalization 18 gone
        GroupNormalization 21 3 1 epsilon:f num_groups!i stash_type:i
        HammingWindow 17 1 1 output_datatype:i periodic:i
        HannWindow 17 1 1 output_datatype:i periodic:i
        HardSigmoid 1 1 1 alpha:f beta:f consumed_inputs:I
        HardSigmoid 6 1 1 alpha:f beta:f
        HardSwish 14 1 1
        Hardmax 1 1 1 axis:i
        Identity 1 1 1
        If 1 1 1-* else_branch!g then_branch!g
        ImageDecoder 20 1 1 pixel_format:s
        InstanceNormalization 1 3 1 consumed_inputs:I epsilon:f
        InstanceNormalization 6 3 1 epsilon:f
        IsInf 10 1 1 detect_negative:i detect_positive:i
        IsNaN 9 1 1
        LRN 1 1 1 alpha:f beta:f bias:f size!i
        LSTM 1 3-8 0-3 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i input_forget:i output_sequence:i
        LSTM 7 3-8 0-3 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i input_forget:i
        LSTM 14 3-8 0-3 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i input_forget:i layout:i
        LayerNormalization 1 2-3 1-3 axis:i epsilon:f stash_type:i
        LeakyRelu 1 1 1 alpha:f consumed_inputs:I
        LeakyRelu 6 1 1 alpha:f
        Less 1 2 1 axis:i broadcast:i
        Less 7 2 1
        LessOrEqual 12 2 1
        LinearAttention 27 3-6 2 chunk_size:i kv_num_heads!i q_num_heads!i scale:f update_rule:s
        Log 1 1 1 consumed_inputs:I
        Log 6 1 1
        LogSoftmax 1 1 1 axis:i
        Loop 1 3-* 1-* body!g
        Loop 11 2-* 1-* body!g
        LpNormalization 1 1 1 axis:i p:i
        LpPool 1 1 1 auto_pad:s kernel_shape:I p:f pads:I strides:I
        LpPool 2 1 1 auto_pad:s kernel_shape!I p:i pads:I strides:I
        LpPool 18 1 1 auto_pad:s ceil_mode:i dilations:I kernel_shape!I p:i pads:I strides:I
        MatMul 1 2 1
        MatMulInteger 10 2-4 1
        Max 1 1-* 1 consumed_inputs:I
        Max 6 1-* 1
        MaxPool 1 1 1 auto_pad:s kernel_shape!I pads:I strides:I
        MaxPool 8 1 1-2 auto_pad:s kernel_shape!I pads:I storage_order:i strides:I
        MaxPool 10 1 1-2 auto_pad:s ceil_mode:i dilations:I kernel_shape!I pads:I storage_order:i strides:I
        MaxRoiPool 1 2 1 pooled_shape!I spatial_scale:f
        MaxUnpool 9 2-3 1 kernel_shape!I pads:I strides:I
        Mean 1 1-* 1 consumed_inputs:I
        Mean 6 1-* 1
        MeanVarianceNormalization 9 1 1 axes:I
        MelWeightMatrix 17 5 1 output_datatype:i
        Min 1 1-* 1 consumed_inputs:I
        Min 6 1-* 1
        Mish 18 1 1
        Mod 10 2 1 fmod:i
        Mul 1 2 1 axis:i broadcast:i consumed_inputs:I
        Mul 6 2 1 axis:i broadcast:i
        Mul 7 2 1
        Multinomial 7 1 1 dtype:i sample_size:i seed:f
        Neg 1 1 1 consumed_inputs:I
        Neg 6 1 1
        NegativeLogLikelihoodLoss 12 2-3 1 ignore_index:i reduction:s
        NonMaxSuppression 10 2-5 1 center_point_box:i
        NonZero 9 1 1
        Not 1 1 1
        OneHot 9 3 1 axis:i
        Optional 15 0-1 1 type:y
        OptionalGetElement 15 1 1
        OptionalHasElement 15 1 1
        OptionalHasElement 18 0-1 1
        Or 1 2 1 axis:i broadcast:i
        Or 7 2 1
        PRelu 1 2 1 consumed_inputs:I
        PRelu 6 2 1
        Pad 1 1 1 mode:s paddings!I value:f
        Pad 2 1 1 mode:s pads!I value:f
        Pad 11 2-3 1 mode:s
        Pad 18 2-4 1 mode:s
        Pow 1 2 1 axis:i broadcast:i
        Pow 7 2 1
        QLinearConv 10 8-9 1 auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
        QLinearMatMul 10 8 1
        QuantizeLinear 10 2-3 1
        QuantizeLinear 13 2-3 1 axis:i
        QuantizeLinear 19 2-3 1 axis:i saturate:i
        QuantizeLinear 21 2-3 1 axis:i block_size:i output_dtype:i saturate:i
        QuantizeLinear 23 2-3 1 axis:i block_size:i output_dtype:i precision:i saturate:i
        RMSNormalization 23 2 1 axis:i epsilon:f stash_type:i
        RNN 1 3-6 0-2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i output_sequence:i
        RNN 7 3-6 0-2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i
        RNN 14 3-6 0-2 activation_alpha:F activation_beta:F activations:S clip:f direction:s hidden_size:i layout:i
        RandomNormal 1 0 1 dtype:i mean:f scale:f seed:f shape!I
        RandomNormalLike 1 1 1 dtype:i mean:f scale:f seed:f
        RandomUniform 1 0 1 dtype:i high:f low:f seed:f shape!I
        RandomUniformLike 1 1 1 dtype:i high:f low:f seed:f
        Range 11 3 1
        Range 27 3 1 stash_type:i
        Reciprocal 1 1 1 consumed_inputs:I
        Reciprocal 6 1 1
        ReduceL1 1 1 1 axes:I keepdims:i
        ReduceL1 18 1-2 1 keepdims:i noop_with_empty_axes:i
        ReduceL2 1 1 1 axes:I keepdims:i
        ReduceL2 18 1-2 1 keepdims:i noop_with_empty_axes:i
        ReduceLogSum 1 1 1 axes:I keepdims:i
        ReduceLogSum 18 1-2 1 keepdims:i noop_with_empty_axes:i
        ReduceLogSumExp 1 1 1 axes:I keepdims:i
        ReduceLogSumExp 18 1-2 1 keepdims:i noop_with_empty_axes:i
        ReduceMax 1 1 1 axes:I keepdims:i
        ReduceMax 18 1-2 1 keepdims:i noop_with_empty_axes:i
        ReduceMean 1 1 1 axes:I keepdims:i
        ReduceMean 18 1-2 1 keepdims:i noop_with_empty_axes:i
        ReduceMin 1 1 1 axes:I keepdims:i
        ReduceMin 18 1-2 1 keepdims:i noop_with_empty_axes:i
        ReduceProd 1 1 1 axes:I keepdims:i
        ReduceProd 18 1-2 1 keepdims:i noop_with_empty_axes:i
        ReduceSum 1 1 1 axes:I keepdims:i
        ReduceSum 13 1-2 1 keepdims:i noop_with_empty_axes:i
        ReduceSumSquare 1 1 1 axes:I keepdims:i
        ReduceSumSquare 18 1-2 1 keepdims:i noop_with_empty_axes:i
        RegexFullMatch 20 1 1 pattern:s
        Relu 1 1 1 consumed_inputs:I
        Relu 6 1 1
        Reshape 1 1 1 consumed_inputs:I shape:I
        Reshape 5 2 1
        Reshape 14 2 1 allowzero:i
        Resize 10 2 1 mode:s
        Resize 11 3-4 1 coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i extrapolation_value:f mode:s nearest_mode:s
        Resize 13 1-4 1 coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i extrapolation_value:f mode:s nearest_mode:s
        Resize 18 1-4 1 antialias:i axes:I coordinate_transformation_mode:s cubic_coeff_a:f exclude_outside:i extrapolation_value:f keep_aspect_ratio_policy:s mode:s nearest_mode:s
        ReverseSequence 10 2 1 batch_axis:i time_axis:i
        RoiAlign 10 3 1 mode:s output_height:i output_width:i sampling_ratio:i spatial_scale:f
        RoiAlign 16 3 1 coordinate_transformation_mode:s mode:s output_height:i output_width:i sampling_ratio:i spatial_scale:f
        RotaryEmbedding 23 3-4 1 interleaved:i num_heads:i rotary_embedding_dim:i
        Round 11 1 1
        STFT 17 2-4 1 onesided:i
        Scan 8 2-* 1-* body!g directions:I num_scan_inputs!i
        Scan 9 1-* 1-* body!g num_scan_inputs!i scan_input_axes:I scan_input_directions:I scan_output_axes:I scan_output_directions:I
        Scatter 9 3 1 axis:i
        Scatter 11 gone
        ScatterElements 11 3 1 axis:i
        ScatterElements 16 3 1 axis:i reduction:s
        ScatterND 11 3 1
        ScatterND 16 3 1 reduction:s
        Selu 1 1 1 alpha:f consumed_inputs:I gamma:f
        Selu 6 1 1 alpha:f gamma:f
        SequenceAt 11 2 1
        SequenceConstruct 11 1-* 1
        SequenceEmpty 11 0 1 dtype:i
        SequenceErase 11 1-2 1
        SequenceInsert 11 2-3 1
        SequenceLength 11 1 1
        SequenceMap 17 1-* 1-* body!g
        Shape 1 1 1
        Shape 15 1 1 end:i start:i
        Shrink 9 1 1 bias:f lambd:f
        Sigmoid 1 1 1 consumed_inputs:I
        Sigmoid 6 1 1
        Sign 9 1 1
        SimplifiedLayerNormalization 1 2 1-2 axis:i epsilon:f stash_type:i
        Sin 7 1 1
        Sinh 9 1 1
        Size 1 1 1
        Slice 1 1 1 axes:I ends!I starts!I
        Slice 10 3-5 1
        Softmax 1 1 1 axis:i
        SoftmaxCrossEntropyLoss 12 2-3 1-2 ignore_index:i reduction:s
        Softplus 1 1 1
        Softsign 1 1 1
        SpaceToDepth 1 1 1 blocksize!i
        SpaceToDepth 28 1 1 blocksize!i mode:s
        Split 1 1-2 1-* axis:i split:I
        Split 2 1 1-* axis:i split:I
        Split 13 1-2 1-* axis:i
        Split 18 1-2 1-* axis:i num_outputs:i
        SplitToSequence 11 1-2 1 axis:i keepdims:i
        Sqrt 1 1 1 consumed_inputs:I
        Sqrt 6 1 1
        Squeeze 1 1 1 axes:I
        Squeeze 13 1-2 1
        StringConcat 20 2 1
        StringNormalizer 10 1 1 case_change_action:s is_case_sensitive:i locale:s stopwords:S
        StringSplit 20 1 2 delimiter:s maxsplit:i
        Sub 1 2 1 axis:i broadcast:i consumed_inputs:I
        Sub 6 2 1 axis:i broadcast:i
        Sub 7 2 1
        Sum 1 1-* 1 consumed_inputs:I
        Sum 6 1-* 1
        SwiGLU 28 2 1 alpha:f
        Swish 24 1 1 alpha:f
        Tan 7 1 1
        Tanh 1 1 1 consumed_inputs:I
        Tanh 6 1 1
        TensorScatter 24 2-3 1 axis:i mode:s
        TfIdfVectorizer 9 1 1 max_gram_length!i max_skip_count!i min_gram_length!i mode!s ngram_counts!I ngram_indexes!I pool_int64s:I pool_strings:S weights:F
        ThresholdedRelu 10 1 1 alpha:f
        Tile 1 3 1
        Tile 6 2 1
        TopK 1 1 2 axis:i k!i
        TopK 10 2 2 axis:i
        TopK 11 2 2 axis:i largest:i sorted:i
        Transpose 1 1 1 perm:I
        Trilu 14 1-2 1 upper:i
        Unique 11 1 1-4 axis:i sorted:i
        Unsqueeze 1 1 1 axes!I
        Unsqueeze 13 2 1
        Upsample 1 1 1 height_scale!f mode:s width_scale!f
        Upsample 7 1 1 mode:s scales!F
        Upsample 9 2 1 mode:s
        Upsample 10 gone
        Where 9 3 1
        Xor 1 2 1 axis:i broadcast:i
        Xor 7 2 1
        ai.onnx.ml:ArrayFeatureExtractor 1 2 1
        ai.onnx.ml:Binarizer 1 1 1 threshold:f
        ai.onnx.ml:CastMap 1 1 1 cast_to:s map_form:s max_map:i
        ai.onnx.ml:CategoryMapper 1 1 1 cats_int64s:I cats_strings:S default_int64:i default_string:s
        ai.onnx.ml:DictVectorizer 1 1 1 int64_vocabulary:I string_vocabulary:S
        ai.onnx.ml:FeatureVectorizer 1 1-* 1 inputdimensions:I
        ai.onnx.ml:Imputer 1 1 1 imputed_value_floats:F imputed_value_int64s:I replaced_value_float:f replaced_value_int64:i
        ai.onnx.ml:LabelEncoder 1 1 1 classes_strings:S default_int64:i default_string:s
        ai.onnx.ml:LabelEncoder 2 1 1 default_float:f default_int64:i default_string:s keys_floats:F keys_int64s:I keys_strings:S values_floats:F values_int64s:I values_strings:S
        ai.onnx.ml:LabelEncoder 4 1 1 default_float:f default_int64:i default_string:s default_tensor:t keys_floats:F keys_int64s:I keys_strings:S keys_tensor:t values_floats:F values_int64s:I values_strings:S values_tensor:t
        ai.onnx.ml:LinearClassifier 1 1 2 classlabels_ints:I classlabels_strings:S coefficients!F intercepts:F multi_class:i post_transform:s
        ai.onnx.ml:LinearRegressor 1 1 1 coefficients:F intercepts:F post_transform:s targets:i
        ai.onnx.ml:Normalizer 1 1 1 norm:s
        ai.onnx.ml:OneHotEncoder 1 1 1 cats_int64s:I cats_strings:S zeros:i
        ai.onnx.ml:SVMClassifier 1 1 2 classlabels_ints:I classlabels_strings:S coefficients:F kernel_params:F kernel_type:s post_transform:s prob_a:F prob_b:F rho:F support_vectors:F vectors_per_class:I
        ai.onnx.ml:SVMRegressor 1 1 1 coefficients:F kernel_params:F kernel_type:s n_supports:i one_class:i post_transform:s rho:F support_vectors:F
        ai.onnx.ml:Scaler 1 1 1 offset:F scale:F
        ai.onnx.ml:TreeEnsemble 5 1 1 aggregate_function:i leaf_targetids!I leaf_weights!t membership_values:t n_targets:i nodes_falseleafs!I nodes_falsenodeids!I nodes_featureids!I nodes_hitrates:t nodes_missing_value_tracks_true:I nodes_modes!t nodes_splits!t nodes_trueleafs!I nodes_truenodeids!I post_transform:i tree_roots!I
        ai.onnx.ml:TreeEnsembleClassifier 1 1 2 base_values:F class_ids:I class_nodeids:I class_treeids:I class_weights:F classlabels_int64s:I classlabels_strings:S nodes_falsenodeids:I nodes_featureids:I nodes_hitrates:F nodes_missing_value_tracks_true:I nodes_modes:S nodes_nodeids:I nodes_treeids:I nodes_truenodeids:I nodes_values:F post_transform:s
        ai.onnx.ml:TreeEnsembleClassifier 3 1 2 base_values:F base_values_as_tensor:t class_ids:I class_nodeids:I class_treeids:I class_weights:F class_weights_as_tensor:t classlabels_int64s:I classlabels_strings:S nodes_falsenodeids:I nodes_featureids:I nodes_hitrates:F nodes_hitrates_as_tensor:t nodes_missing_value_tracks_true:I nodes_modes:S nodes_nodeids:I nodes_treeids:I nodes_truenodeids:I nodes_values:F nodes_values_as_tensor:t post_transform:s
        ai.onnx.ml:TreeEnsembleClassifier 5 gone
        ai.onnx.ml:TreeEnsembleRegressor 1 1 1 aggregate_function:s base_values:F n_targets:i nodes_falsenodeids:I nodes_featureids:I nodes_hitrates:F nodes_missing_value_tracks_true:I nodes_modes:S nodes_nodeids:I nodes_treeids:I nodes_truenodeids:I nodes_values:F post_transform:s target_ids:I target_nodeids:I target_treeids:I target_weights:F
        ai.onnx.ml:TreeEnsembleRegressor 3 1 1 aggregate_function:s base_values:F base_values_as_tensor:t n_targets:i nodes_falsenodeids:I nodes_featureids:I nodes_hitrates:F nodes_hitrates_as_tensor:t nodes_missing_value_tracks_true:I nodes_modes:S nodes_nodeids:I nodes_treeids:I nodes_truenodeids:I nodes_values:F nodes_values_as_tensor:t post_transform:s target_ids:I target_nodeids:I target_treeids:I target_weights:F target_weights_as_tensor:t
        ai.onnx.ml:TreeEnsembleRegressor 5 gone
        ai.onnx.ml:ZipMap 1 1 1 classlabels_int64s:I classlabels_strings:S
        com.microsoft:Attention 1 2-7 1-2 do_rotary:i mask_filter_value:f num_heads!i past_present_share_buffer:i qkv_hidden_sizes:I rotary_embedding_dim:i scale:f unidirectional:i
        com.microsoft:BiasAdd 1 3 1
        com.microsoft:BiasDropout 1 2-5 1-2 seed:i
        com.microsoft:BiasGelu 1 2 1
        com.microsoft:BiasSoftmax 1 2 1 axis:i is_inner_broadcast!i
        com.microsoft:BiasSplitGelu 1 2 1
        com.microsoft:ConvTransposeWithDynamicPads 1 2-4 1 auto_pad:s dilations:I group:i kernel_shape:I output_padding:I strides:I
        com.microsoft:DequantizeLinear 1 2-3 1 axis:i
        com.microsoft:DynamicQuantizeMatMul 1 3-5 1
        com.microsoft:EmbedLayerNormalization 1 7-9 1-3 epsilon:f mask_index_type:i
        com.microsoft:ExpandDims 1 2 1
        com.microsoft:FastGelu 1 1-2 1
        com.microsoft:FusedConv 1 2-4 1 activation:s activation_params:F auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
        com.microsoft:FusedGemm 1 2-3 1 activation:s activation_alpha:f activation_beta:f activation_gamma:f alpha:f beta:f transA:i transB:i
        com.microsoft:FusedMatMul 1 2 1 alpha:f transA:i transB:i transBatchA:i transBatchB:i
        com.microsoft:FusedMatMulActivation 1 2 1 activation!s activation_alpha:f activation_axis:i activation_beta:f activation_gamma:f alpha:f transA:i transB:i transBatchA:i transBatchB:i
        com.microsoft:GatherBlockQuantized 1 3-4 1 bits:i block_size:i gather_axis:i quantize_axis:i
        com.microsoft:GatherND 1 2 1
        com.microsoft:Gelu 1 1 1
        com.microsoft:GemmFastGelu 1 2-3 1
        com.microsoft:GridSample 1 2 1 align_corners:i mode:s padding_mode:s
        com.microsoft:GroupNorm 1 3 1 activation!i channels_last:i epsilon:f groups!i
        com.microsoft:GroupQueryAttention 1 7-16 1-4 causal:i do_rotary:i k_quant_type:s kv_cache_bit_width:i kv_num_heads!i local_window_size:i num_heads!i qk_norm_epsilon:f qk_output:i rotary_interleaved:i scale:f sliding_window_cache:i smooth_softmax:i softcap:f v_quant_type:s
        com.microsoft:MatMulInteger16 1 2 1
        com.microsoft:MatMulIntegerToFloat 1 4-7 1
        com.microsoft:MatMulNBits 1 3-6 1 K!i N!i accuracy_level:i bits:i block_size!i weight_prepacked:i
        com.microsoft:MultiHeadAttention 1 1-10 1-4 mask_filter_value:f num_heads!i scale:f unidirectional:i
        com.microsoft:NhwcConv 1 2-3 1 auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
        com.microsoft:NhwcFusedConv 1 2-4 1 activation:s activation_params:F auto_pad:s dilations:I group:i kernel_shape:I pads:I strides:I
        com.microsoft:NhwcMaxPool 1 1 1 auto_pad:s ceil_mode:i dilations:I kernel_shape!I pads:I strides:I
        com.microsoft:Pad 1 2-3 1 mode:s
        com.microsoft:QAttention 1 5-9 1-2 do_rotary:i mask_filter_value:f num_heads!i past_present_share_buffer:i scale:f unidirectional:i
        com.microsoft:QGemm 1 6-9 1 alpha:f transA:i transB:i
        com.microsoft:QLinearAdd 1 7-8 1
        com.microsoft:QLinearAveragePool 1 4-5 1 auto_pad:s ceil_mode:i channels_last:i count_include_pad:i kernel_shape!I pads:I strides:I
        com.microsoft:QLinearConcat 1 3-* 1 axis!i
        com.microsoft:QLinearConv 1 8-9 1 auto_pad:s channels_last:i dilations:I group:i kernel_shape:I pads:I strides:I
        com.microsoft:QLinearGlobalAveragePool 1 5 1 channels_last:i
        com.microsoft:QLinearLeakyRelu 1 4-5 1 alpha:f
        com.microsoft:QLinearMul 1 7-8 1
        com.microsoft:QLinearReduceMean 1 4-5 1 axes!I keepdims!i
        com.microsoft:QLinearSigmoid 1 4-5 1
        com.microsoft:QLinearSoftmax 1 5 1 axis:i opset!i
        com.microsoft:QLinearWhere 1 9 1
        com.microsoft:QuantizeLinear 1 2-3 1 axis:i
        com.microsoft:QuickGelu 1 1 1 alpha:f
        com.microsoft:Range 1 2-3 1
        com.microsoft:RotaryEmbedding 1 4 1 interleaved:i is_packed_batching:i num_heads:i rotary_embedding_dim:i scale:f
        com.microsoft:ScaledSiLU 1 1-2 1 alpha:f
        com.microsoft:SkipGroupNorm 1 4-5 1-2 activation!i channels_last:i epsilon:f groups!i
        com.microsoft:SkipLayerNormalization 1 3-5 1-4 epsilon:f
        com.microsoft:SkipSimplifiedLayerNormalization 1 3-4 1-4 epsilon:f
        com.microsoft:TransposeMatMul 1 2 1 alpha:f transA:i transB:i
        com.microsoft:Trilu 1 1-2 1 upper:i
        com.microsoft:Unique 1 1 3
        """
}
