"""Kernels in Triton, for GPUs. Nothing here imports Triton until a kernel is called for.

`available` says whether they can run, `rows` is cross-entropy of logits, `linear` that of hidden states
under a linear map. With TRITON_INTERPRET=1 in the environment before Triton is first imported the same code
runs on the CPU, slowly: that is how it is tested.

How to time them: on the device, by events, caches flushed between calls, medians of interleaved contenders.
N rows, V classes, D columns of hidden states, b bytes a logit:

    loss and gradient of logits      2·N·V·b bytes (one read, one write); 3·N·V·b where rows are read again
    loss alone                       N·V·b bytes
    linear, loss and both gradients  6·N·D·V FLOP; 4·N·D·V without the gradient of the weight

An H100 (3.0 TB/s, 790 TFLOP/s in bfloat16) could take 8192 × 128256 bfloat16 logits in 1.40 ms, and with
D = 4096 the linear loss in 32.7 ms. None of these kernels has been measured yet.
"""
