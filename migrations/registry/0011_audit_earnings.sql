ALTER TABLE `audits` ADD `charged_nanos` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `audits` ADD `input_tokens` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `audits` ADD `output_tokens` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `audits` ADD `tensor_bytes` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `audits` ADD `ended_at` integer;--> statement-breakpoint
CREATE INDEX `audits_ended` ON `audits` (`node_id`,`ended_at`,`id`);