-- Models of before have their weights as well: the oldest one of a file keeps it, as if the rule had held then.
INSERT INTO `weight_files` (`sha256`, `model_id`)
SELECT file.value, models.id FROM `models`, json_each(models.manifest, '$.files') AS file
WHERE file.key LIKE '%.onnx' OR file.key LIKE '%.onnx/_data' ESCAPE '/' OR file.key LIKE '%.onnx.data' OR file.key LIKE '%.safetensors' OR file.key LIKE '%.gguf' OR file.key LIKE '%.bin'
ORDER BY models.created_at, models.id
ON CONFLICT (`sha256`) DO NOTHING;
