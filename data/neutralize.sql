-- a copy executes no job until somebody releases it
INSERT INTO ir_config_parameter (key, value)
     VALUES ('queue_job.rest', 'neutralized')
ON CONFLICT (key) DO UPDATE
        SET value = 'neutralized';
