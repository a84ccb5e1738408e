ALTER TABLE `calls` ADD `tensor_bytes` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `rollups_hour` ADD `tensor_bytes` integer DEFAULT 0 NOT NULL;