"""What the names of the libraries mean: models, layers, losses, loaders, optimizers.

Names are compared in one spelling, see `plain`. Sources: the API references of PyTorch 2.13, Keras 3.15, TensorFlow
2.21, torchvision 0.28, Lightning 2, Transformers 5, Accelerate 1, timm 1, JAX (flax, optax).
"""

from __future__ import annotations

import re

_SPELLINGS = (
    (re.compile(r"^tensorflow\.(?:compat\.v[12]\.|python\.)?keras\."), "keras."),
    (re.compile(r"^(?:tf_keras|keras\.api|keras\.src)\."), "keras."),
    (re.compile(r"^tensorflow\.compat\.v[12]\."), "tensorflow."),
    (re.compile(r"^torch\.nn\.modules\.(?:[a-z_]+\.)?(?=[A-Z])"), "torch.nn."),
    (re.compile(r"^torch\.utils\.data\.dataloader\.(?=[A-Z])"), "torch.utils.data."),
    (re.compile(r"^torch\.optim\.[a-z]+\.(?=[A-Z])(?<!lr_scheduler\.)"), "torch.optim."),
    (re.compile(r"^(?:pytorch_lightning|lightning\.pytorch)\."), "lightning."),
)


def plain(name: str) -> str:
    """Return the one spelling of a dotted name: `tensorflow.keras.Model` is `keras.Model`."""
    for pattern, spelling in _SPELLINGS:
        name = pattern.sub(spelling, name)
    return name


_NOT_MODULES = frozenset({"Parameter", "ParameterList", "ParameterDict", "UninitializedParameter", "Buffer"})
_LIGHTNING = ("lightning.LightningModule", "lightning.core.LightningModule", "lightning.core.module.LightningModule")
_KERAS_MODELS = frozenset(
    {
        *("keras.Model", "keras.Sequential", "keras.models.Model", "keras.models.Sequential", "keras.Functional"),
        *("keras.engine.training.Model", "keras.models.Functional", "keras.engine.sequential.Sequential"),
    }
)
_KERAS_MADE = frozenset(
    f"keras.{home}{name}"
    for home in ("models.", "saving.", "")
    for name in ("load_model", "clone_model", "model_from_json", "model_from_config", "model_from_yaml")
)
_WRAPPERS = frozenset(
    {
        *("torch.nn.DataParallel", "torch.nn.parallel.DistributedDataParallel", "torch.nn.parallel.DataParallel"),
        *("torch.nn.parallel.distributed.DistributedDataParallel", "torch.nn.SyncBatchNorm.convert_sync_batchnorm"),
        *("torch.distributed.fsdp.FullyShardedDataParallel", "torch.compile", "torch.jit.script", "torch.jit.trace"),
        *("torch.optim.swa_utils.AveragedModel", "copy.deepcopy", "copy.copy", "torch.fx.symbolic_trace"),
        *("accelerate.skip_first_batches", "accelerate.data_loader.skip_first_batches"),
        *("apex.parallel.DistributedDataParallel", "peft.get_peft_model", "torch.jit.freeze"),
        *("ipex.optimize", "intel_extension_for_pytorch.optimize", "torch.ao.quantization.quantize_dynamic"),
        *("torch.quantization.quantize_dynamic", "bitsandbytes.nn.modules"),
    }
)
"""What gives a model that is given to it, dressed or copied."""

_TORCH_MAKERS = frozenset(
    {
        *("timm.create_model", "timm.models.create_model", "timm.models.factory.create_model", "torch.jit.load"),
        *("torchvision.models.get_model", "sentence_transformers.SentenceTransformer", "ultralytics.YOLO"),
        *("whisper.load_model", "open_clip.create_model", "sentence_transformers.CrossEncoder"),
        *("segmentation_models_pytorch.create_model", "ultralytics.RTDETR"),
    }
)
_HUB = re.compile(r"^(?:transformers|diffusers|peft|timm|efficientnet_pytorch|open_clip|setfit|unsloth)\.")
_NOT_HUB_MODELS = re.compile(
    r"Tokenizer|Processor|FeatureExtractor|Config|Scheduler|Dataset|Trainer|Arguments|Criteria|Streamer|Collator|pipeline"
)
_SEGMENTATION = re.compile(
    r"^segmentation_models_pytorch\.(?:Unet|UnetPlusPlus|MAnet|Linknet|FPN|PSPNet|PAN|DeepLabV3|DeepLabV3Plus|Segformer)$"
)
_LOSS = re.compile(r"(?:Loss|Criterion|Losses)(?:es|s)?$|^criterion|loss", re.IGNORECASE)
_NO_MODEL = re.compile(
    r"(?:Loss|Criterion|Metric|Metrics|Transform|Transforms|Augment|Augmentation|Augmentations|Normalize|Wrapper|Hook|"
    r"Scheduler|Schedule|Optimizer|Layer|Block|Attention|Embedding|Embeddings|Activation|Norm|Pool|Pooling|Conv)\w{0,2}$"
)


def is_lightning(name: str) -> bool:
    """Tell whether a class is Lightning's own kind of model."""
    return plain(name) in _LIGHTNING


def is_torch_module(name: str) -> bool:
    """Tell whether a library class is a torch.nn.Module."""
    name = plain(name)
    home, _, last = name.rpartition(".")
    if home in {"torch.nn", "torch.nn.parallel", "torch.ao.nn.quantized", "torch.nn.utils.parametrize"}:
        return last[:1].isupper() and last not in _NOT_MODULES
    if is_lightning(name) or home in {"torch_geometric.nn", "torchvision.ops", "timm.layers", "timm.models.layers"}:
        return last[:1].isupper()
    return is_model_maker(name) and last[:1].isupper() and not name.startswith("keras.")


def is_loss(name: str) -> bool:
    """Tell whether a library class or function computes a loss."""
    name = plain(name)
    home, _, last = name.rpartition(".")
    if home == "torch.nn":
        return last.endswith("Loss")
    if home == "torch.nn.functional":
        return last.endswith(("loss", "entropy", "entropy_with_logits", "kl_div")) or last in {"mse_loss", "l1_loss"}
    return home in {"keras.losses", "keras.metrics", "tensorflow.losses", "optax", "timm.loss"} and (
        last[:1].isupper() or "loss" in last or "entropy" in last
    )


def is_keras_model(name: str) -> bool:
    """Tell whether a library class is a keras.Model."""
    return plain(name) in _KERAS_MODELS


def is_keras_layer(name: str) -> bool:
    """Tell whether a library class is a Keras layer."""
    name = plain(name)
    return name == "keras.Layer" or (name.startswith("keras.layers.") and name.rpartition(".")[2][:1].isupper())


def is_model_maker(name: str) -> bool:  # noqa: PLR0911 - one return for each library
    """Tell whether calling this name of a library gives a model that was not there before."""
    name = plain(name)
    home, _, last = name.rpartition(".")
    if name in _KERAS_MODELS or name in _KERAS_MADE or name in _TORCH_MAKERS:
        return True
    if name.startswith("keras.applications."):
        return last[:1].isupper()
    if name.startswith("torchvision.models."):
        return (
            not last.startswith(("list_", "get_", "_"))
            and not last.endswith(("_Weights", "Weights"))
            and (last[:1].isupper() or home in _TORCHVISION or home.rpartition(".")[2] == last)
        )
    if last in {"from_pretrained", "from_config", "from_name", "from_preset", "from_single_file"}:
        owner = home.rpartition(".")[2]
        known = _HUB.match(name) is not None or name.startswith(("keras_hub.", "keras_nlp.", "keras_cv."))
        return known and owner[:1].isupper() and not _NOT_HUB_MODELS.search(owner) and "Preprocessor" not in owner
    if name.startswith("transformers."):
        return (
            last[:1].isupper()
            and (last.endswith("Model") or "For" in last or "LMHead" in last)
            and (
                not _NOT_HUB_MODELS.search(last)
                and not last.endswith(("Output", "PreTrainedModel", "Collator"))
                and "DataCollator" not in last
                and not last.startswith("AutoModel")
            )
        )
    if _SEGMENTATION.match(name) or name.startswith("monai.networks.nets."):
        return last[:1].isupper()
    return name.startswith("timm.models.") and home.count(".") == 2 and last[:1].islower() and "create" not in last


_TORCHVISION = frozenset(
    f"torchvision.models{part}"
    for part in ("", ".detection", ".segmentation", ".quantization", ".video", ".optical_flow", ".resnet", ".vgg")
)


def is_opaque(name: str) -> bool:
    """Tell whether what a call gives holds a model, but runs it in its own way, without gradients: a pipeline."""
    return name.startswith("ultralytics.") or "Pipeline" in name


def is_model_class(name: str) -> bool:
    """Tell whether a class of a library is one whose subclasses are models and never layers."""
    name = plain(name)
    return (
        is_lightning(name)
        or name in _KERAS_MODELS
        or (name.startswith("transformers.") and name.endswith(("PreTrainedModel", "Model")))
        or (is_model_maker(name) and name.rpartition(".")[2][:1].isupper())
    )


def is_wrapper(name: str) -> bool:
    """Tell whether a call of this name gives the model that is its first argument, dressed or copied."""
    return plain(name) in _WRAPPERS


def is_other_module(class_name: str) -> bool:
    """Tell whether the name of a class of the project says that it is a loss, a metric, a layer, not a model."""
    return _NO_MODEL.search(class_name) is not None


def says_loss(name: str) -> bool:
    """Tell whether a variable or class is called a loss."""
    return _LOSS.search(name) is not None


_LOADERS = frozenset(
    {
        *("torch.utils.data.DataLoader", "torch.utils.data.dataloader.DataLoader", "torchdata.stateful_dataloader."),
        *("torchdata.stateful_dataloader.StatefulDataLoader", "torch_geometric.loader.DataLoader"),
        *("torch_geometric.data.DataLoader", "torch_geometric.loader.NeighborLoader", "monai.data.DataLoader"),
        *("timm.data.create_loader", "timm.data.loader.create_loader", "monai.data.ThreadDataLoader"),
        *("torch_xla.distributed.parallel_loader.MpDeviceLoader", "torchtext.data.BucketIterator"),
        *(
            "torch_geometric.loader.DataListLoader",
            "torch_geometric.loader.ClusterLoader",
            "dgl.dataloading.DataLoader",
        ),
    }
)
_TF_DATA = re.compile(
    r"^tensorflow\.data\.(?:experimental\.)?(?:Dataset|TFRecordDataset|TextLineDataset|FixedLengthRecordDataset|"
    r"CsvDataset|make_csv_dataset|make_batched_features_dataset)(?:\.|$)"
)
_KERAS_DATA = re.compile(
    r"^keras\.(?:utils|preprocessing)\.(?:image_dataset|text_dataset|audio_dataset|timeseries_dataset)_from_\w+(?:\.|$)|"
    r"^keras\.(?:utils|preprocessing)\.timeseries_dataset_from_array(?:\.|$)|"
    r"^keras\.preprocessing(?:\.\w+)?\.\w+_dataset_from_\w+(?:\.|$)"
)
_NO_DATA_SET = re.compile(
    r"\.(?:as_numpy_iterator|cardinality|reduce|get_single_element|save|numpy|__iter__|make_\w+iterator|element_spec|"
    r"options|class_names|file_paths)(?:\.|$)"
)


def is_loader(name: str) -> bool:
    """Tell whether calling this gives a torch DataLoader or a tf.data.Dataset."""
    name = plain(name)
    if name in _LOADERS:
        return True
    return bool(_TF_DATA.search(name) or _KERAS_DATA.search(name)) and not _NO_DATA_SET.search(name)


_TORCH_OPTIMIZERS = re.compile(
    r"^(?:torch\.optim|torch_optimizer|torch_xla\.amp\.syncfree|bitsandbytes\.optim|apex\.optimizers|"
    r"timm\.optim|transformers|transformers\.optimization|deepspeed\.ops\.adam|lion_pytorch|adabelief_pytorch|"
    r"keras\.optimizers(?:\.legacy|\.experimental)?|tensorflow\.train|tensorflow\.optimizers|tensorflow_addons\.optimizers)"
    r"\.([A-Z]\w*)$"
)
_NO_OPTIMIZER = re.compile(
    r"LR$|Scheduler|Schedule|Decay|Annealing|Warm|Averag|Swalr|Checkpoint|Coordinator|Saver|Feature|Example"
)
_OPTIMIZER_LIKE = re.compile(
    r"Optimizer|Adam|SGD|RMSprop|RMSProp|Adagrad|Adadelta|Adamax|Adafactor|LBFGS|Rprop|ASGD|Lion|Lamb|LAMB|Nadam|Ftrl|Muon|"
    r"Lars|LARS|RAdam|AdaBelief|Momentum"
)


def is_optimizer(name: str) -> bool:
    """Tell whether calling this gives an optimizer."""
    name = plain(name)
    found = _TORCH_OPTIMIZERS.match(name)
    if found is not None:
        last = found.group(1)
        return _NO_OPTIMIZER.search(last) is None and _OPTIMIZER_LIKE.search(last) is not None
    return name in {
        *("timm.optim.create_optimizer", "timm.optim.create_optimizer_v2", "keras.optimizers.get"),
        *("timm.optim.optim_factory.create_optimizer", "torch.distributed.optim.ZeroRedundancyOptimizer"),
    }


_SAME_MODEL = frozenset(
    {
        *("to", "cuda", "cpu", "xpu", "eval", "train", "half", "float", "double", "bfloat16", "type", "to_empty"),
        *("requires_grad_", "apply", "share_memory", "ipu", "npu", "to_bettertransformer", "to_local"),
    }
)
_OF_LOADER = frozenset(
    {
        *("batch", "prefetch", "shuffle", "map", "cache", "repeat", "take", "skip", "filter", "with_options", "shard"),
        *("unbatch", "padded_batch", "interleave", "apply", "concatenate", "enumerate", "rebatch", "ragged_batch"),
    }
)


def gives_itself(method: str) -> bool:
    """Tell whether a method of a torch.nn.Module returns the module."""
    return method in _SAME_MODEL


def gives_data_set(method: str) -> bool:
    """Tell whether a method of a tf.data.Dataset returns another one."""
    return method in _OF_LOADER


_PASSING = frozenset(
    {
        *("builtins.enumerate", "builtins.iter", "builtins.reversed", "tqdm.tqdm", "tqdm.auto.tqdm", "tqdm.trange"),
        *("tqdm.notebook.tqdm", "tqdm.std.tqdm", "tqdm.autonotebook.tqdm", "tqdm.tqdm_notebook", "rich.progress.track"),
        *(
            "tqdm.rich.tqdm",
            "itertools.islice",
            "itertools.cycle",
            "fastprogress.progress_bar",
            "alive_progress.alive_it",
        ),
        *("fastprogress.fastprogress.progress_bar", "progressbar.progressbar", "tqdm.contrib.tenumerate"),
    }
)


def passes_on(name: str) -> bool:
    """Tell whether a call gives the elements of its first argument one by one."""
    return name in _PASSING
