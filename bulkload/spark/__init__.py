"""Engine `spark`: the chunks of a load are mapped and written by the executors of an Apache Spark cluster."""
